//! Another reader, the best codes, and any bytes.

use proptest::prelude::*;

use super::*;

/// Bytes with so many kinds, of about geometric counts.
fn skewed(length: usize, kinds: u32, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 33
    };
    (0..length)
        .map(|_| (next().trailing_ones() * 16 + next() as u32 % 16).min(kinds - 1) as u8)
        .collect()
}

fn written(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut to, most) = (bytes.to_vec(), bytes.len().saturating_sub(1));
    replace(&mut to, 0, &count(bytes), most, &mut Vec::new()).then_some(to)
}

fn read_back(coded: &[u8], length: usize) -> Result<Vec<u8>> {
    let (mut reader, mut to) = (Reader::new(coded, 0), vec![0; length]);
    read(&mut reader, &mut to)?;
    assert_eq!(reader.remaining(), 0);
    Ok(to)
}

/// The format as its description says it, one bit at a time.
fn read_bit_by_bit(coded: &[u8], length: usize) -> Vec<u8> {
    let mut nibbles = coded.iter().flat_map(|byte| [byte & 15, byte >> 4]);
    let (mut lengths, mut taken) = (Vec::<u8>::new(), 0);
    let mut nibble = || {
        taken += 1;
        usize::from(nibbles.next().unwrap())
    };
    while lengths.len() < 256 {
        let (length, times) = match nibble() {
            12 => (0, 3 + nibble()),
            13 => (0, 19 + nibble() + 16 * nibble()),
            14 => (*lengths.last().unwrap(), 3 + nibble()),
            length => (length as u8, 1),
        };
        lengths.extend(vec![length; times]);
    }
    let mut codes: Vec<(u8, usize)> = (0..256).map(|b| (lengths[b], b)).collect();
    codes.retain(|(length, _)| *length > 0);
    codes.sort_unstable();
    let mut rest = &coded[(taken as usize).div_ceil(2)..];
    let parts = if length < 1024 { 1 } else { 4 };
    let mut reader = Reader::new(rest, 0);
    let sizes: Vec<usize> = (0..parts)
        .map(|_| reader.varint(usize::MAX, "").unwrap())
        .collect();
    rest = &rest[reader.offset()..];
    let mut bytes = Vec::new();
    for (part, size) in sizes.into_iter().enumerate() {
        let end = length.min((part + 1) * length.div_ceil(parts));
        let mut bits = rest[..size]
            .iter()
            .flat_map(|b| (0..8).rev().map(move |i| b >> i & 1));
        rest = &rest[size..];
        while bytes.len() < end {
            // The number of the first code of a length: twice what follows the last one before.
            let (mut code, mut first, mut at) = (0_usize, 0, 0);
            for width in 1.. {
                code = 2 * code + usize::from(bits.next().unwrap());
                first *= 2;
                let same = codes.iter().filter(|(length, _)| *length == width).count();
                if code - first < same {
                    bytes.push(codes[at + code - first].1 as u8);
                    break;
                }
                (first, at) = (first + same, at + same);
            }
        }
        assert!(bits.all(|bit| bit == 0));
    }
    assert!(rest.is_empty());
    bytes
}

#[test]
fn another_reader_reads_the_same() {
    for length in [2, 3, 5, 100, 1023, 1024, 1025, 1027, 5000, 100_000] {
        for kinds in [2, 3, 17, 40, 256] {
            let bytes = skewed(length, kinds, length as u64);
            let Some(coded) = written(&bytes) else {
                continue;
            };
            assert!(coded.len() < length);
            assert_eq!(read_back(&coded, length).unwrap(), bytes);
            assert_eq!(read_bit_by_bit(&coded, length), bytes);
        }
    }
}

/// The bits of the best code without a limit, by merging the two least counts again and again; none
/// where its codes are longer than the limit.
fn least_bits(counts: &Counts) -> Option<u64> {
    let mut heap: Vec<(u64, u32)> = counts.iter().map(|c| (u64::from(*c), 0)).collect();
    heap.retain(|(count, _)| *count > 0);
    let mut bits = 0;
    while heap.len() > 1 {
        heap.sort_unstable_by(|a, b| b.cmp(a));
        let (a, b) = (heap.pop()?, heap.pop()?);
        bits += a.0 + b.0;
        heap.push((a.0 + b.0, 1 + a.1.max(b.1)));
    }
    (heap[0].1 <= LONGEST).then_some(bits)
}

fn bits_of(counts: &Counts) -> u64 {
    let lengths = Lengths::of(counts).unwrap();
    (0..256)
        .map(|b| u64::from(counts[b]) * u64::from(lengths.of_byte(b)))
        .sum()
}

#[test]
fn codes_are_the_best_of_their_length() {
    let mut free = 0;
    for seed in 0..200 {
        let kinds = 2 + seed as u32 % 255;
        let bytes = skewed(3000, kinds, seed);
        let counts = count(&bytes);
        if let Some(least) = least_bits(&counts) {
            assert_eq!(bits_of(&counts), least);
            free += 1;
        }
    }
    assert!(free > 50);
    // Fibonacci numbers want codes up to 19 bits.
    let mut counts = [0; 256];
    let mut pair = (1, 1);
    for count in &mut counts[..20] {
        *count = pair.0;
        pair = (pair.1, pair.0 + pair.1);
    }
    let lengths = Lengths::of(&counts).unwrap();
    assert_eq!(lengths.longest(), LONGEST);
    // Powers of two want lengths 1 to 11, and 11 again: just what there is.
    let mut counts = [0; 256];
    for (i, count) in counts[..12].iter_mut().enumerate() {
        *count = 1 << i;
    }
    assert_eq!(Some(bits_of(&counts)), least_bits(&counts));
}

#[test]
fn every_truncation_and_every_changed_byte_is_read_without_panic() {
    for length in [700, 2000] {
        let bytes = skewed(length, 30, 3);
        let coded = written(&bytes).unwrap();
        for end in 0..coded.len() {
            let mut to = vec![0; length];
            assert!(read(&mut Reader::new(&coded[..end], 0), &mut to).is_err());
        }
        for at in 0..coded.len() {
            for value in [
                0,
                1,
                0x7f,
                0xff,
                coded[at] ^ 0x10,
                coded[at] ^ 0x80,
                coded[at] ^ 3,
            ] {
                let mut changed = coded.clone();
                changed[at] = value;
                let mut to = vec![0; length];
                let _ = read(&mut Reader::new(&changed, 0), &mut to);
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        bytes in proptest::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..6000),
    ) {
        if let Some(coded) = written(&bytes) {
            prop_assert!(coded.len() < bytes.len());
            prop_assert_eq!(read_back(&coded, bytes.len()).unwrap(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        length in 0..3000_usize,
    ) {
        let _ = read(&mut Reader::new(&bytes, 0), &mut vec![0; length]);
    }
}
