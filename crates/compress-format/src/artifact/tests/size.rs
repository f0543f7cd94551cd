//! How long files are: against what is known to be needed.

use super::*;

/// A tensor `[300, 784]` of 4-bit codes on one scale, and its bytes in the file.
fn four_bits(codes: Vec<i32>, affine: bool) -> StoredTensor {
    let mut architecture = lenet();
    architecture.layers.truncate(1);
    let mut artifact = model(
        architecture,
        Kind::Linear(4, Granularity::Tensor, affine),
        Kind::Float,
        0,
    );
    if let Tensor::Quantized(tensor) = &mut artifact.tensors[0] {
        tensor.codes = Codes::new(tensor.grid.code_range(), codes).unwrap();
    }
    artifact.to_bytes().unwrap().1.swap_remove(0)
}

#[test]
fn what_every_file_has_is_at_most_32_bytes() {
    let artifact = model(lenet(), Kind::PowerOfTwo(4), Kind::Float, 10);
    let (bytes, stored) = artifact.to_bytes().unwrap();
    let overhead = bytes.len() - stored.iter().map(|s| s.bytes).sum::<usize>();
    assert_eq!(overhead, 16);
    // Of each tensor its own header, measured with nothing in it.
    let zeros = four_bits(vec![0; 300 * 784], false);
    assert!(zeros.bytes < 100, "{} bytes of zeros", zeros.bytes);
}

#[test]
fn sparse_codes_come_near_their_entropy() {
    let mut stream = rng::stream(3, "artifact.size.sparse");
    let codes: Vec<i32> = (0..300 * 784)
        .map(|_| {
            let magnitude = 1 + rng::below(&mut stream, 7) as i32;
            let sign = 1 - 2 * rng::below(&mut stream, 2) as i32;
            i32::from(rng::below(&mut stream, 50) == 0) * sign * magnitude
        })
        .collect();
    let (total, set) = (
        codes.len() as f64,
        codes.iter().filter(|c| **c != 0).count() as f64,
    );
    let p = set / total;
    let entropy = total * (-p * p.log2() - (1.0 - p) * (1.0 - p).log2()) + set * 14_f64.log2();
    let stored = four_bits(codes, false);
    let ratio = stored.bytes as f64 * 8.0 / entropy;
    assert_eq!(stored.coding, "entropy");
    assert!((0.99..1.08).contains(&ratio), "{ratio} of the entropy");
}

#[test]
fn codes_that_are_random_take_no_more_than_packed_ones() {
    let mut stream = rng::stream(3, "artifact.size.random");
    let codes = (0..300 * 784)
        .map(|_| rng::below(&mut stream, 16) as i32)
        .collect();
    let stored = four_bits(codes, true);
    assert!(
        stored.bytes <= 300 * 784 / 2 + 16,
        "{} bytes as {}",
        stored.bytes,
        stored.coding
    );
}

#[test]
fn values_of_bfloat16_take_half() {
    let mut artifact = model(lenet(), Kind::Float, Kind::Float, 1000);
    for tensor in &mut artifact.tensors {
        if let Tensor::Float { values, .. } = tensor {
            for value in values {
                *value = f32::from_bits(value.to_bits() & 0xffff_0000);
            }
        }
    }
    let (bytes, _) = artifact.to_bytes().unwrap();
    assert!(bytes.len() <= 2 * artifact.architecture.parameter_count() + 32);
}
