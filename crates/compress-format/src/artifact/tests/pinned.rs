//! The exact bytes of a file with every kind of tensor: a change of the format shows here.

use super::*;
use compress_core::codec::{Granularity, Grid, QuantizedTensor};
use compress_core::network::Activation;
use compress_core::rng;

fn linear(bits: u8, granularity: Granularity, shape: &[usize], zero_points: Vec<i32>) -> Grid {
    let sets = granularity.sets(shape);
    Grid::Linear {
        bits,
        granularity,
        scales: (0..sets).map(|i| 0.01 + 0.001 * i as f32).collect(),
        zero_points,
    }
}

fn quantized(name: &str, shape: &[usize], grid: Grid, codes: Vec<i32>) -> Tensor {
    Tensor::Quantized(QuantizedTensor::new(name, shape, grid, codes).unwrap())
}

fn float(name: &str, shape: &[usize], values: Vec<f32>) -> Tensor {
    Tensor::Float {
        name: name.into(),
        shape: shape.to_vec(),
        values,
    }
}

/// Codes that are non-zero with `per_mille`, and then uniform from −`top` to `top`.
fn sparse_codes(count: usize, per_mille: u32, top: i32, name: &str) -> Vec<i32> {
    let mut stream = rng::stream(9, name);
    (0..count)
        .map(|_| {
            let keep = rng::below(&mut stream, 1000) < per_mille;
            let magnitude = 1 + rng::below(&mut stream, top as u32) as i32;
            let code = if rng::below(&mut stream, 2) == 0 {
                magnitude
            } else {
                -magnitude
            };
            if keep { code } else { 0 }
        })
        .collect()
}

/// Five layers, each stored in another way, and a selection of the features.
fn mixed() -> Artifact {
    let mut architecture = Architecture::mlp(&[16, 6, 5, 4, 3, 2], Activation::Tanh).unwrap();
    architecture.selected = Some(vec![1, 4, 5, 6, 9, 10, 11, 14]);
    architecture.layers[0].inputs = 8;
    architecture.layers[1].activation = Activation::Gelu;
    architecture.layers[2].name = "hidden".into();
    let mut stream = rng::stream(2, "artifact.mixed");
    let mut random = |count: usize, low: i32, high: i32| -> Vec<i32> {
        let span = (high - low + 1) as u32;
        (0..count)
            .map(|_| low + rng::below(&mut stream, span) as i32)
            .collect()
    };
    let floats = |count: usize| (0..count).map(|i| (i as f32 - 2.5) / 3.0).collect();
    let codebook = Grid::Codebook {
        values: vec![-0.5, -0.0, 0.25, 1.0],
    };
    let groups = Granularity::Group(3);
    let power = Grid::PowerOfTwo {
        bits: 4,
        max_exponent: -3,
    };
    Artifact {
        tensors: vec![
            quantized(
                "layers.0.weight",
                &[6, 8],
                linear(4, Granularity::Channel, &[6, 8], vec![]),
                sparse_codes(48, 300, 7, "artifact.mixed.sparse"),
            ),
            float(
                "layers.0.bias",
                &[6],
                vec![0.5, -0.0, 0.0, 1.0, -2.0, f32::MIN_POSITIVE],
            ),
            quantized(
                "layers.1.weight",
                &[5, 6],
                linear(3, groups, &[5, 6], vec![0, 7, 3, 4, 4, 4, 1, 2, 5, 6]),
                random(30, 0, 7),
            ),
            float("layers.1.bias", &[5], floats(5)),
            quantized("hidden.weight", &[4, 5], codebook, random(20, 0, 3)),
            float("hidden.bias", &[4], vec![0.0; 4]),
            quantized("layers.3.weight", &[3, 4], power, random(12, -7, 7)),
            quantized(
                "layers.3.bias",
                &[3],
                linear(16, Granularity::Tensor, &[3], vec![40_000]),
                vec![0, 40_000, 65_535],
            ),
            float("layers.4.weight", &[2, 3], floats(6)),
            float("layers.4.bias", &[2], vec![1.0e-3, 0.0]),
        ],
        architecture,
    }
}

#[test]
fn the_format_does_not_change_unnoticed() {
    // A change here is a change of the format: files written before cannot be read any more,
    // and `VERSION` has to say so.
    let bytes = mixed().to_bytes().unwrap().0;
    assert_eq!(
        (bytes.len(), crc32fast::hash(&bytes[CHECKSUM.end..])),
        (257, 1_672_426_060)
    );
}
