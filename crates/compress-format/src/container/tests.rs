//! Tensors without a network: written, read one by one, damaged, and out of proportion.

use std::io::Cursor;

use super::*;
use crate::artifact::Artifact;
use compress_core::chain::{Activation, Architecture};
use compress_core::codec::{BlockTensor, Granularity, Grid, QuantizedTensor, Tensor};
use compress_core::kernels::block_format::BlockFormat;
use compress_core::{Error, Result, rng};
use proptest::prelude::*;

fn float(name: &str, shape: &[usize]) -> Tensor {
    let mut stream = rng::stream(1, name);
    let count = shape.iter().product();
    Tensor::Float {
        name: name.into(),
        shape: shape.to_vec(),
        values: (0..count).map(|_| rng::uniform(&mut stream)).collect(),
    }
}

fn on_grid(name: &str, shape: &[usize], grid: Grid) -> Tensor {
    let (low, high) = grid.code_range();
    let count: i32 = shape.iter().product::<usize>() as i32;
    let codes = (0..count).map(|i| low + (i * 37).rem_euclid(high - low + 1));
    Tensor::Quantized(QuantizedTensor::new(name, shape, grid, codes).unwrap())
}

fn scales(count: usize) -> Vec<f32> {
    (1..=count).map(|i| i as f32 * 0.013).collect()
}

fn blocks(name: &str, format: BlockFormat, shape: &[usize]) -> Tensor {
    let mut stream = rng::stream(2, name);
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|_| rng::uniform(&mut stream) - 0.5)
        .collect();
    Tensor::Blocks(BlockTensor::quantize(format, name, &values, shape).unwrap())
}

/// Every kind, and ranks from 0 to 4.
fn tensors() -> Vec<Tensor> {
    let linear = |bits, granularity, sets, zero_points| Grid::Linear {
        bits,
        granularity,
        scales: scales(sets),
        zero_points,
    };
    let scaled = |values: Vec<f32>, granularity, sets| Grid::ScaledCodebook {
        values,
        granularity,
        scales: scales(sets),
    };
    let mut sparse = float("sparse", &[4, 2, 25]);
    if let Tensor::Float { values, .. } = &mut sparse {
        values
            .iter_mut()
            .enumerate()
            .for_each(|(i, v)| *v *= f32::from(i % 9 == 0));
    }
    let conv = [16, 3, 3, 3];
    vec![
        float("stem", &conv),
        sparse,
        float("scalar", &[]),
        float("empty", &[0, 5]),
        on_grid("int8", &conv, linear(8, Granularity::Channel, 16, vec![])),
        on_grid(
            "int4",
            &[3, 40],
            linear(4, Granularity::Group(32), 6, (0..6).collect()),
        ),
        on_grid("wide", &[7], linear(12, Granularity::Tensor, 1, vec![5])),
        on_grid(
            "book",
            &[5, 2, 2],
            Grid::Codebook {
                values: vec![-1.0, 0.0, 0.25],
            },
        ),
        on_grid(
            "nf",
            &[2, 70],
            scaled(vec![-1.0, -0.5, 0.0, 1.0], Granularity::Group(64), 4),
        ),
        on_grid("one", &[9], scaled(vec![0.5], Granularity::Tensor, 1)),
        on_grid(
            "power",
            &[11],
            Grid::PowerOfTwo {
                bits: 3,
                max_exponent: -2,
            },
        ),
        blocks("q8", BlockFormat::Q8_0, &[2, 64]),
        blocks("q4", BlockFormat::Q4_0, &[1, 2, 32]),
        blocks("q4k", BlockFormat::Q4_K, &[256]),
        blocks("größe", BlockFormat::Q6_K, &[2, 4, 64]),
    ]
}

fn written(tensors: &[Tensor]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.metadata("made by", "a test").unwrap();
    writer.metadata("", "").unwrap();
    for tensor in tensors {
        writer.tensor(tensor).unwrap();
    }
    writer.finish().unwrap()
}

/// All tensors, or the first fault.
fn read_all(bytes: &[u8]) -> Result<Vec<Tensor>> {
    let mut container = Container::open(Cursor::new(bytes))?;
    let names: Vec<String> = container.names().map(str::to_owned).collect();
    names.iter().map(|name| container.tensor(name)).collect()
}

#[test]
fn tensors_of_every_kind_and_rank_come_back_one_by_one() {
    let tensors = tensors();
    let bytes = written(&tensors);
    let mut container = Container::open(Cursor::new(&bytes)).unwrap();
    // In any order, and again.
    for tensor in tensors.iter().rev().chain(&tensors) {
        let read = container.tensor(tensor.name()).unwrap();
        assert_eq!(read, *tensor);
        let bits =
            |t: &Tensor| -> Vec<u32> { t.values().unwrap().iter().map(|v| v.to_bits()).collect() };
        assert_eq!(bits(&read), bits(tensor));
    }
    let named: Vec<_> = tensors.iter().map(Tensor::name).collect();
    assert_eq!(container.names().collect::<Vec<_>>(), named);
    let kinds: Vec<_> = container.entries().iter().map(Entry::kind).collect();
    assert_eq!(kinds[3..5], ["float", "linear"]);
    assert_eq!(
        kinds[7..12],
        [
            "codebook",
            "scaled_codebook",
            "scaled_codebook",
            "power_of_two",
            "blocks"
        ]
    );
    let metadata = [("made by", "a test"), ("", "")].map(|(k, v)| (k.into(), v.into()));
    assert_eq!(container.metadata(), metadata);
    assert_eq!(*container.program(), Program::None);
    let error = container.tensor("stern").unwrap_err().to_string();
    assert!(error.contains("stem") && error.contains("größe"), "{error}");
    // A file of no tensors is one too.
    let none = Writer::new(Vec::new()).unwrap().finish().unwrap();
    assert_eq!((none.len(), read_all(&none).unwrap()), (4 + 3 + 8, vec![]));
}

#[test]
fn other_tensors_are_not_read_for_one() {
    let tensors = tensors();
    let mut bytes = written(&tensors);
    let container = Container::open(Cursor::new(&bytes)).unwrap();
    let int8 = container.entries()[4].clone();
    let all: u64 = container.entries().iter().map(|e| e.length).sum();
    assert_eq!(
        (int8.name.as_str(), int8.shape.as_slice()),
        ("int8", &[16, 3, 3, 3][..])
    );
    // All other tensors' bytes are damaged.
    for at in (4..4 + all).filter(|at| !(int8.offset..int8.offset + int8.length).contains(at)) {
        bytes[at as usize] ^= 0x55;
    }
    let mut container = Container::open(Cursor::new(&bytes)).unwrap();
    assert_eq!(container.tensor("int8").unwrap(), tensors[4]);
    let error = container.tensor("stem").unwrap_err();
    assert!(
        error.to_string().contains("at byte 4: stem: the checksum"),
        "{error}"
    );
}

#[test]
fn a_container_is_a_file_on_disk() {
    let path = std::env::temp_dir().join(format!("compress-format-{}.cmp", std::process::id()));
    std::fs::write(&path, written(&tensors())).unwrap();
    let read = Container::open_file(&path).and_then(|mut file| file.tensor("q4k"));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read.unwrap(), tensors()[13]);
    let missing = Container::open_file(&path).unwrap_err();
    assert!(matches!(missing, Error::Io { path: named, .. } if named == path));
}

#[test]
fn every_truncation_and_every_flipped_bit_is_noticed() {
    let bytes = written(&tensors());
    assert_eq!(read_all(&bytes).unwrap(), tensors());
    for length in 0..bytes.len() {
        let error = Container::open(Cursor::new(&bytes[..length])).unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{length}: {error}");
    }
    for bit in 0..8 * bytes.len() {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(
            matches!(read_all(&changed), Err(Error::Format { .. })),
            "{bit}"
        );
    }
    for more in [&[0][..], &[1, 2, 3, 4, 5, 6, 7, 8]] {
        assert!(read_all(&[&bytes, more].concat()).is_err());
        assert!(read_all(&[more, &bytes].concat()).is_err());
    }
}

#[test]
fn changed_bytes_with_the_right_checksums_never_panic() {
    for tensor in tensors() {
        let bytes = written(std::slice::from_ref(&tensor));
        for at in 4..bytes.len() {
            let few = (0..8).map(|bit| bytes[at] ^ 1 << bit).chain([0, 255]);
            for value in few {
                let mut changed = bytes.clone();
                changed[at] = value;
                repair_checksums(&mut changed);
                if let Ok(read) = read_all(&changed) {
                    read.iter().for_each(|tensor| tensor.validate().unwrap());
                    let _ = written(&read);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn random_changes_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = written(&tensors()[4..]);
        for (at, value) in changes {
            let at = 4 + at.index(bytes.len() - 4);
            bytes[at] = value;
        }
        repair_checksums(&mut bytes);
        if let Ok(read) = read_all(&bytes) {
            prop_assert!(read.iter().all(|tensor| tensor.validate().is_ok()));
        }
    }
}

/// A file of one tensor of this shape, whose directory says what it likes.
fn claims(shape: &[usize], tensor: &[u8], kind: u8, coding: u8) -> Vec<u8> {
    let entry = Entry {
        name: "w".into(),
        shape: shape.to_vec(),
        offset: 4,
        length: tensor.len() as u64,
        kind,
        coding,
        checksum: crc32fast::hash(tensor),
    };
    let directory = directory::Directory {
        entries: vec![entry],
        ..Default::default()
    };
    let directory = directory.to_bytes();
    [&MAGIC[..], tensor, &directory, &trailer::of(&directory)].concat()
}

#[test]
fn zeros_are_paid_for() {
    // All values +0: the number of zero bits is 32, so that no value takes any.
    let zeros = |shape: &[usize]| claims(shape, &[32], 0, 1);
    let small = zeros(&[1024, 512]);
    assert_eq!(
        read_all(&small).unwrap()[0].values().unwrap(),
        vec![0.0; 1 << 19]
    );
    for shape in [
        &[1 << 26][..],
        &[4096, 4096],
        &[usize::MAX],
        &[usize::MAX, usize::MAX],
        &[0, usize::MAX],
        &[1 << 30, 0, 1 << 30],
    ] {
        let bytes = zeros(shape);
        let error = Container::open(Cursor::new(&bytes)).unwrap_err();
        assert!(
            error.to_string().contains("a larger limit can be given"),
            "{error}"
        );
    }
    let mut large = Container::open_with_limit(Cursor::new(zeros(&[1024, 1024])), 1 << 20).unwrap();
    assert_eq!(large.tensor("w").unwrap().shape(), [1024, 1024]);
    // The limit is for all tensors together.
    let twice = [float("a", &[300, 500]), float("b", &[300, 500])];
    let bytes = written(&twice);
    assert!(Container::open_with_limit(Cursor::new(&bytes), 299_999).is_err());
    assert!(Container::open_with_limit(Cursor::new(&bytes), 300_000).is_ok());
}

#[test]
fn what_a_reader_does_not_know_does_not_hide_the_rest() {
    for (kind, coding, what) in [(7, 0, "kind 7"), (255, 0, "kind 255"), (0, 4, "coding 4")] {
        let bytes = claims(&[1], &[0; 4], kind, coding);
        let mut container = Container::open(Cursor::new(bytes)).unwrap();
        let entry = &container.entries()[0];
        assert!([entry.kind(), entry.coding()].contains(&"unknown"));
        let error = container.tensor("w").unwrap_err().to_string();
        assert!(error.contains(&format!("unknown {what}")), "{error}");
    }
    let bytes = claims(&[32], &[&[4][..], &[0; 20]].concat(), 5, 0);
    let mut container = Container::open(Cursor::new(bytes)).unwrap();
    assert!(
        container
            .tensor("w")
            .unwrap_err()
            .to_string()
            .contains("blocks of type 4")
    );
    // A program of a later writer.
    let directory = [&[0, 9, 2, 1, 2, 0][..]].concat();
    let bytes = [&MAGIC[..], &directory, &trailer::of(&directory)].concat();
    let container = Container::open(Cursor::new(bytes)).unwrap();
    assert_eq!(*container.program(), Program::Other(9));
}

#[test]
fn what_a_writer_refuses() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.tensor(&float("w", &[2])).unwrap();
    assert!(writer.tensor(&float("w", &[3])).is_err());
    writer.metadata("key", "1").unwrap();
    assert!(writer.metadata("key", "2").is_err());
    let chain = Architecture::mlp(&[4, 3], Activation::Relu).unwrap();
    assert!(writer.chain(&chain).is_err());
    let nan = Tensor::Float {
        name: "n".into(),
        shape: vec![1],
        values: vec![f32::NAN],
    };
    assert!(writer.tensor(&nan).is_err());
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.chain(&chain).unwrap();
    writer.tensor(&float("layers.0.weight", &[3, 4])).unwrap();
    let error = writer.finish().unwrap_err().to_string();
    assert!(error.contains("layers.0.bias"), "{error}");
}

/// A chain whose first weight is in blocks and whose second is on a scaled codebook.
fn chain() -> Artifact {
    let architecture = Architecture::mlp(&[64, 32, 3], Activation::Relu).unwrap();
    let grid = Grid::ScaledCodebook {
        values: vec![-1.0, 0.0, 0.5],
        granularity: Granularity::Group(32),
        scales: scales(3),
    };
    let tensors = vec![
        on_grid("layers.1.weight", &[3, 32], grid),
        float("layers.1.bias", &[3]),
        blocks("layers.0.weight", BlockFormat::Q4_0, &[32, 64]),
        float("layers.0.bias", &[32]),
    ];
    Artifact::of_chain(architecture, tensors).unwrap()
}

#[test]
fn a_chain_that_version_2_cannot_hold_is_a_container() {
    let artifact = chain();
    let (bytes, stored) = artifact.to_bytes().unwrap();
    assert_eq!(bytes[..4], MAGIC);
    assert_eq!(Artifact::from_bytes(&bytes).unwrap(), artifact);
    let tensors: usize = stored.iter().map(|s| s.bytes).sum();
    // The ends, the number of tensors, the program with its kind and length, no metadata.
    assert_eq!(bytes.len(), 12 + 1 + 2 + 5 + tensors + 1);
    let container = Container::open(Cursor::new(&bytes)).unwrap();
    assert_eq!(
        *container.program(),
        Program::Chain(artifact.architecture.clone())
    );
    for length in 0..bytes.len() {
        assert!(Artifact::from_bytes(&bytes[..length]).is_err());
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(Artifact::from_bytes(&changed).is_err(), "{at}");
            Artifact::repair_checksum(&mut changed);
            if let Ok(read) = Artifact::from_bytes_with_limit(&changed, 5000) {
                read.validate().unwrap();
            }
        }
    }
    // Tensors alone are no model, and neither are more than the chain's.
    let alone = written(&artifact.tensors);
    let error = Artifact::from_bytes(&alone).unwrap_err().to_string();
    assert!(error.contains("but no chain"), "{error}");
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.chain(&artifact.architecture).unwrap();
    for tensor in artifact.tensors.iter().chain(&[float("more", &[1])]) {
        writer.tensor(tensor).unwrap();
    }
    let error = Artifact::from_bytes(&writer.finish().unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("a chain of 4 tensors has 5"), "{error}");
}

/// Tensors of another format, beside one of this one: the bytes that come back.
fn with_elements() -> (Vec<u8>, Vec<(&'static str, Elements)>) {
    let half: Vec<u8> = (0..300_u16)
        .flat_map(|i| (0x3c00 + i % 7 * 64).to_le_bytes())
        .collect();
    let blocks: Vec<u8> = (0..34 * 9).map(|i| (i * i % 251) as u8).collect();
    let list = [
        ("half", "f16", Layout::floats(2).unwrap(), half),
        ("q8", "q8_0", Layout::runs(&[1, 1, 32]).unwrap(), blocks),
        ("zeros", "f32", Layout::floats(4).unwrap(), vec![0; 80_000]),
        ("none", "u8", Layout::integers(1).unwrap(), vec![]),
    ];
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.tensor(&float("own", &[3])).unwrap();
    for (name, label, layout, bytes) in &list {
        let stored = writer
            .elements(name, &[bytes.len(), 1 << 50], label, layout, bytes)
            .unwrap();
        assert_eq!(stored.coding, "planes");
    }
    let elements = list.map(|(name, label, _, bytes)| {
        let label = label.to_owned();
        (name, Elements { label, bytes })
    });
    (writer.finish().unwrap(), elements.into())
}

/// All elements, or the first fault.
fn read_elements(bytes: &[u8]) -> Result<Vec<Elements>> {
    let mut container = Container::open(Cursor::new(bytes))?;
    let names: Vec<String> = container.names().map(str::to_owned).collect();
    let named = names.iter().filter(|name| *name != "own");
    let read = named.map(|name| {
        let (whole, parts) = (container.elements(name), read_parts(&mut container, name));
        // Parts are refused where the whole is.
        assert_eq!(whole.is_ok(), parts.is_ok(), "{whole:?} {parts:?}");
        whole
    });
    read.collect()
}

fn read_parts(container: &mut Container<Cursor<&[u8]>>, name: &str) -> Result<Vec<u8>> {
    let (mut parts, mut bytes) = (container.element_parts(name)?, Vec::new());
    while let Some(part) = container.next_part(&mut parts, 0)? {
        bytes.extend_from_slice(part);
    }
    Ok(bytes)
}

#[test]
fn elements_come_back_byte_for_byte() {
    let (bytes, elements) = with_elements();
    let mut container = Container::open(Cursor::new(bytes.as_slice())).unwrap();
    for (name, of_name) in elements.iter().rev() {
        assert_eq!(container.elements(name).unwrap(), *of_name);
        let mut parts = container.element_parts(name).unwrap();
        assert_eq!(parts.label(), of_name.label);
        assert_eq!(parts.left(), of_name.bytes.len() as u64);
        while let Some(part) = container.next_part(&mut parts, 0).unwrap() {
            assert!(of_name.bytes.starts_with(part));
        }
        assert!(read_parts(&mut container, name).unwrap() == of_name.bytes);
        let error = container.tensor(name).unwrap_err().to_string();
        assert!(error.contains("elements of another format"), "{error}");
    }
    assert!(
        container
            .elements("own")
            .unwrap_err()
            .to_string()
            .contains("float")
    );
    let mut kinds = container.entries().iter().map(|e| (e.kind(), e.coding()));
    assert_eq!(kinds.next_back(), Some(("elements", "planes")));
    for length in 0..bytes.len() {
        assert!(read_elements(&bytes[..length]).is_err());
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let own = Container::open(Cursor::new(&changed)).and_then(|mut c| c.tensor("own"));
        assert!(own.is_err() || read_elements(&changed).is_err(), "{at}");
        repair_checksums(&mut changed);
        let _ = read_elements(&changed);
    }
}

#[test]
fn the_format_does_not_change_unnoticed() {
    let (bytes, _) = with_elements();
    assert_eq!((bytes.len(), crc32fast::hash(&bytes)), (922, 901_770_848));
    let bytes = [written(&tensors()), chain().to_bytes().unwrap().0].concat();
    assert_eq!(
        (bytes.len(), crc32fast::hash(&bytes)),
        (4540, 3_639_993_862)
    );
}

#[test]
fn the_description_has_all_types_of_blocks() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/format/container.md"
    );
    let page = std::fs::read_to_string(path).unwrap();
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let rows: Vec<Vec<String>> = page.lines().map(cells).collect();
    for format in BlockFormat::ALL {
        let start = [
            format.ggml_type().to_string(),
            format!("`{}`", format.name()),
            format.block_len().to_string(),
        ];
        let row = rows.iter().find(|row| row.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("{}", format.name()));
        // The first four are described by their fields.
        if row.len() == 5 && !row[3].contains(' ') {
            assert_eq!(row[3], format.block_bytes().to_string(), "{}", row[1]);
        }
    }
}
