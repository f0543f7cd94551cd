//! All layouts and contents, what is small, and any bytes.

use proptest::prelude::*;

use super::*;

fn written(layout: &Layout, bytes: &[u8]) -> Vec<u8> {
    let mut to = Vec::new();
    write(&mut to, layout, bytes).unwrap();
    to
}

fn read_back(coded: &[u8]) -> Result<Vec<u8>> {
    read(&mut Reader::new(coded, 0))
}

/// Random numbers.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 33
    }
}

/// Values like those of a trained layer.
fn weights(count: usize, seed: u64) -> Vec<f32> {
    let mut next = random(seed);
    let mut unit = move || next() as f32 / 2f32.powi(31) - 0.5;
    (0..count)
        .map(|_| (unit() + unit() + unit() + unit()) * 0.1)
        .collect()
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn layouts() -> Vec<Layout> {
    let mut layouts = vec![
        Layout::runs(&[1, 1, 32]).unwrap(),
        Layout::runs(&[3]).unwrap(),
        Layout::runs(&[2, 2]).unwrap(),
    ];
    for size in [1, 2, 3, 4, 8, 16] {
        layouts.push(Layout::integers(size).unwrap());
    }
    layouts.extend([2, 4, 8].map(|size| Layout::floats(size).unwrap()));
    layouts
}

/// Some elements of every kind: noise, few values, zeros among others, all the same, none.
fn contents(size: usize) -> Vec<Vec<u8>> {
    let mut next = random(size as u64);
    let mut noise = |count: usize| -> Vec<u8> { (0..count * size).map(|_| next() as u8).collect() };
    let list = noise(37);
    let mut contents = vec![
        vec![],
        noise(1),
        noise(999),
        vec![7; 300 * size],
        vec![0; 300 * size],
    ];
    let mut pick = random(9);
    let few = (0..3000).flat_map(|_| {
        let i = pick() as usize % 37;
        list[i * size..(i + 1) * size].to_vec()
    });
    let few: Vec<u8> = few.collect();
    for base in [noise(3001), few] {
        let mut pruned = base.clone();
        for element in pruned.chunks_mut(size) {
            if !pick().is_multiple_of(10) {
                element.fill(0);
            }
        }
        contents.extend([base, pruned]);
    }
    contents
}

#[test]
fn all_layouts_and_contents_come_back() {
    for layout in layouts() {
        for bytes in contents(layout.size()) {
            let coded = written(&layout, &bytes);
            assert_eq!(read_back(&coded).unwrap(), bytes, "{layout:?}");
            assert!(coded.len() <= bytes.len() + 5 * 16 + 40, "{layout:?}");
        }
    }
    // Several chunks, and the last one shorter.
    let weights = bytes_of(&weights(200_000, 1));
    let coded = written(&Layout::floats(4).unwrap(), &weights);
    assert_eq!(read_back(&coded).unwrap(), weights);
    assert!(coded.len() < weights.len() * 86 / 100, "{}", coded.len());
}

#[test]
fn what_is_pruned_or_has_few_values_is_small() {
    let layout = Layout::floats(4).unwrap();
    let dense = weights(100_000, 2);
    let share = |values: &[f32]| {
        let coded = written(&layout, &bytes_of(values));
        assert_eq!(read_back(&coded).unwrap(), bytes_of(values));
        coded.len() as f64 / (4 * values.len()) as f64
    };
    let pruned: Vec<f32> = dense
        .iter()
        .map(|v| if v.abs() > 0.1 { *v } else { 0.0 })
        .collect();
    let kept = pruned.iter().filter(|v| **v != 0.0).count() as f64 / 1e5;
    // A bit for each at most, and what the others take.
    assert!(
        share(&pruned) < 1.0 / 32.0 + 0.9 * kept,
        "{}",
        share(&pruned)
    );
    let rounded: Vec<f32> = dense.iter().map(|v| (v / 0.003).round() * 0.003).collect();
    assert!(share(&rounded) < 7.5 / 32.0, "{}", share(&rounded));
    // Zeros are as short as the bound on what a reader allocates lets them be.
    let zeros = written(&layout, &vec![0; 1 << 20]);
    assert_eq!(zeros.len(), (1 << 20) / MOST_RATIO);
    assert_eq!(read_back(&zeros).unwrap(), vec![0; 1 << 20]);
}

/// What [`parts`] writes, whose checksums are those of its parts.
fn written_in_parts(layout: &Layout, bytes: &[u8], memory: usize) -> Vec<u8> {
    let (mut to, mut end) = (Vec::new(), 0);
    parts::write(layout, bytes, memory, true, |part| {
        assert_eq!(part.checksum, crc32fast::hash(part.coded));
        assert_eq!(
            part.plain_checksum,
            crc32fast::hash(&bytes[part.range.clone()])
        );
        if !part.range.is_empty() {
            assert_eq!(part.range.start, end);
            end = part.range.end;
        }
        to.extend_from_slice(part.coded);
        Ok(())
    })
    .unwrap();
    assert_eq!(end, bytes.len());
    to
}

/// What [`parts`] reads, and the largest part.
fn read_in_parts(coded: &[u8], memory: usize) -> Result<(Vec<u8>, usize)> {
    let head = &coded[..coded.len().min(parts::MOST_OF_HEAD)];
    let mut parts = parts::Parts::new(head, 0, coded.len())?;
    let (mut bytes, mut largest) = (Vec::new(), 0);
    while parts.left() > 0 {
        let mut from = &coded[parts.at() as usize..];
        let part = parts.next(&mut from, memory)?;
        largest = largest.max(part.len());
        bytes.extend_from_slice(part);
    }
    parts.finish(&mut &coded[parts.at() as usize..])?;
    assert_eq!(parts.checksum(), crc32fast::hash(coded));
    Ok((bytes, largest))
}

#[test]
fn parts_are_the_same_bytes_whatever_the_memory() {
    let zeros = vec![0; 5_000_000];
    for (size, bytes) in [(4, bytes_of(&weights(500_000, 3))), (2, zeros), (8, vec![])] {
        let layout = Layout::floats(size).unwrap();
        let expected = written(&layout, &bytes);
        for memory in [0, 3 << 20, usize::MAX] {
            assert!(written_in_parts(&layout, &bytes, memory) == expected);
            let (read, largest) = read_in_parts(&expected, memory).unwrap();
            assert!(read == bytes);
            assert!(largest <= (memory / 4).max(1 << 18));
        }
        // Refused as by the reader of the whole.
        for end in [
            0,
            1,
            5,
            expected.len() / 2,
            expected.len().saturating_sub(1),
        ] {
            let whole = read_back(&expected[..end]).is_err();
            assert_eq!(read_in_parts(&expected[..end], 0).is_err(), whole, "{end}");
        }
    }
}

#[test]
fn threads_do_not_change_bits() {
    let layout = Layout::floats(4).unwrap();
    let bytes = bytes_of(&weights(300_000, 3));
    let expected = written(&layout, &bytes);
    for threads in 1..=3 {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            assert!(written(&layout, &bytes) == expected);
            assert!(read_back(&expected).unwrap() == bytes);
        });
    }
}

#[test]
fn every_truncation_and_every_changed_byte_is_read_without_panic() {
    let layout = Layout::floats(2).unwrap();
    for bytes in contents(2) {
        let bytes = &bytes[..bytes.len().min(2400)];
        let coded = written(&layout, bytes);
        for end in 0..coded.len() {
            assert!(read_back(&coded[..end]).is_err() || coded[end..].iter().all(|b| *b == 0));
        }
        for at in 0..coded.len() {
            for value in [0, 1, 127, 255, coded[at] ^ 1, coded[at] ^ 64] {
                let mut changed = coded.clone();
                changed[at] = value;
                let _ = read_back(&changed);
            }
        }
    }
}

#[test]
fn what_is_no_layout_is_refused() {
    assert!(Layout::floats(3).is_err() && Layout::floats(1).is_err());
    assert!(Layout::runs(&[]).is_err() && Layout::runs(&[1, 0]).is_err());
    assert!(Layout::runs(&[4097]).is_err() && Layout::runs(&[usize::MAX, 2]).is_err());
    let mut to = Vec::new();
    assert!(write(&mut to, &Layout::integers(4).unwrap(), &[0; 7]).is_err());
    // More elements than the bytes may claim.
    let claim = [&[0, 1, 1][..], &[0xff, 0xff, 0xff, 0x7f], &[0; 100]].concat();
    let error = read_back(&claim).unwrap_err().to_string();
    assert!(error.contains("number of elements"), "{error}");
    // A chunk longer than what it holds can take.
    let long = [&[0, 1, 1, 1][..], &[0, 0x20, 4], &vec![0; 1 << 19]].concat();
    assert!(read_back(&long).unwrap_err().to_string().contains("follow"));
    let long = [&[0, 1, 1, 1][..], &[1, 0x20, 4], &vec![0; 1 << 19]].concat();
    assert!(read_back(&long).unwrap_err().to_string().contains("longer"));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        layout in 0..12_usize,
        values in proptest::collection::vec(prop_oneof![Just(0_u64), 0..50_u64, any::<u64>()], 0..4000),
    ) {
        let layout = &layouts()[layout];
        let mut bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        bytes.truncate(bytes.len() / layout.size() * layout.size());
        prop_assert_eq!(read_back(&written(layout, &bytes)).unwrap(), bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_back(&bytes);
    }
}
