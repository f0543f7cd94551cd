//! What a reader allocates is bounded by the length of the file, whatever the file claims.

use std::alloc::System;
use std::io::Cursor;

use compress_core::chain::{Activation, Architecture};
use compress_core::codec::{BlockTensor, Granularity, Grid, QuantizedTensor, Tensor};
use compress_core::kernels::block_format::BlockFormat;
use compress_format::artifact::{Artifact, most_values};
use compress_format::container::{Container, Writer};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes for each value that a reader may take, of all that it allocates, freed or not.
const PER_VALUE: usize = 32;
/// Bytes for each byte of the file.
const PER_BYTE: usize = 64;
/// Bytes for each byte of the file that a reader may hold when it is done, where the file is of many
/// small tensors.
const HELD_PER_BYTE: usize = 160;
/// Tables of the coder.
const BASE: usize = 1 << 20;

/// A tensor of zeros: it takes hardly a byte.
fn zeros(name: &str, shape: &[usize], kind: usize) -> Option<Tensor> {
    let count: usize = shape.iter().product();
    let linear = |granularity: Granularity, affine: bool| {
        let sets = granularity.sets(shape);
        Grid::Linear {
            bits: if affine { 16 } else { 2 },
            granularity,
            scales: vec![1.0; sets],
            zero_points: vec![7; if affine { sets } else { 0 }],
        }
    };
    let (grid, code) = match kind {
        0 => {
            let (name, shape) = (name.into(), shape.to_vec());
            let values = vec![0.0; count];
            return Some(Tensor::Float {
                name,
                shape,
                values,
            });
        }
        1 => (linear(Granularity::Tensor, false), 0),
        2 => (linear(Granularity::Channel, true), 7),
        3 => (linear(Granularity::Group(1), false), 0),
        4 => (linear(Granularity::Group(1), true), 7),
        5 => (
            Grid::Codebook {
                values: vec![0.0, 1.0],
            },
            0,
        ),
        6 => (
            Grid::ScaledCodebook {
                values: vec![0.0],
                granularity: Granularity::Group(1),
                scales: vec![1.0; count],
            },
            0,
        ),
        7 => (
            Grid::PowerOfTwo {
                bits: 8,
                max_exponent: 0,
            },
            0,
        ),
        8 if shape[shape.len() - 1].is_multiple_of(32) => {
            let values = vec![0.0; count];
            let blocks = BlockTensor::quantize(BlockFormat::Q8_0, name, &values, shape);
            return blocks.ok().map(Tensor::Blocks);
        }
        _ => return None,
    };
    let codes = std::iter::repeat_n(code, count);
    let tensor = QuantizedTensor::new(name, shape, grid, codes);
    tensor.ok().map(Tensor::Quantized)
}

/// Fails where `read` allocates too much for a file of this length that has `values` values. Returns
/// the bytes allocated for each value.
fn bounded<T>(length: usize, values: usize, what: &str, read: impl FnOnce() -> T) -> (T, f64) {
    let region = Region::new(ALLOCATOR);
    let found = read();
    let change = region.change();
    let allocated = change.bytes_allocated + change.bytes_reallocated.unsigned_abs();
    let most = BASE + PER_BYTE * length + PER_VALUE * values.min(most_values(length as u64));
    assert!(allocated <= most, "{what}: {allocated} of {most}");
    (found, allocated as f64 / values as f64)
}

/// One test, so that no other allocates meanwhile.
#[test]
fn files_of_zeros_are_read_in_proportion() {
    // As many as a tiny file may claim.
    for kind in 0..9 {
        let Some(tensor) = zeros("w", &[1024, 512], kind) else {
            continue;
        };
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.tensor(&tensor).unwrap();
        let bytes = writer.finish().unwrap();
        let ((), each) = bounded(bytes.len(), 1 << 19, &format!("kind {kind}"), || {
            let mut container = Container::open(Cursor::new(&bytes)).unwrap();
            assert_eq!(container.tensor("w").unwrap().shape(), [1024, 512]);
        });
        println!(
            "container, kind {kind}: {} bytes, {each:.1} a value",
            bytes.len()
        );
    }
    let lenet = Architecture::mlp(&[784, 300, 100, 10], Activation::Relu).unwrap();
    for kind in 0..9 {
        let tensors = lenet
            .parameters()
            .map(|(name, shape)| zeros(&name, &shape, kind));
        let Some(tensors) = tensors.collect::<Option<Vec<_>>>() else {
            continue;
        };
        let artifact = Artifact::of_chain(lenet.clone(), tensors).unwrap();
        let (bytes, _) = artifact.to_bytes().unwrap();
        let (read, each) = bounded(bytes.len(), 266_610, &format!("chain {kind}"), || {
            Artifact::from_bytes(&bytes)
        });
        println!(
            "chain, kind {kind}: {} bytes, {each:.1} a parameter",
            bytes.len()
        );
        assert_eq!(read.unwrap(), artifact);
    }
    // Many layers, each with large codebooks of equal values.
    let many = Architecture::mlp(&[1; 2001], Activation::Relu).unwrap();
    let codebook = |(name, shape): (String, Vec<usize>)| {
        let values = vec![0.0; 256];
        let tensor = QuantizedTensor::new(&name, &shape, Grid::Codebook { values }, [0]);
        Tensor::Quantized(tensor.unwrap())
    };
    let artifact = Artifact::of_chain(many.clone(), many.parameters().map(codebook).collect());
    let artifact = artifact.unwrap();
    let (bytes, _) = artifact.to_bytes().unwrap();
    let region = Region::new(ALLOCATOR);
    let read = Artifact::from_bytes(&bytes).unwrap();
    let change = region.change();
    let held = change.bytes_allocated - change.bytes_deallocated;
    println!("many layers: {} bytes, {held} held", bytes.len());
    let most = BASE + HELD_PER_BYTE * bytes.len();
    assert!(held <= most, "{held} of {most}");
    assert_eq!(read, artifact);
    let values = vec![0.0; 257];
    assert!(QuantizedTensor::new("w", &[16, 16], Grid::Codebook { values }, [0; 256]).is_err());

    // What claims more takes next to nothing before it is refused.
    let huge = Architecture::mlp(&[8192, 8191], Activation::Relu).unwrap();
    let tensors = huge
        .parameters()
        .map(|(name, shape)| zeros(&name, &shape, 7).unwrap());
    let artifact = Artifact::of_chain(huge.clone(), tensors.collect()).unwrap();
    let (bytes, _) = artifact.to_bytes().unwrap();
    assert!(bytes.len() < 4096, "{}", bytes.len());
    let (read, _) = bounded(bytes.len(), 1, "more", || Artifact::from_bytes(&bytes));
    assert!(read.is_err());
    assert!(Artifact::from_bytes_with_limit(&bytes, 1 << 27).unwrap() == artifact);
}
