//! The models that the tests of the file format share.

use super::by_tensor::{self, CHECKSUM, MAGIC, VERSION};
use super::*;
use crate::coding::reader::Reader;
use crate::front::Pooling;
use crate::program::{self as header, expected};
use compress_core::chain::Architecture;
use compress_core::chain::Front;
use compress_core::codec::QuantizedTensor;
use compress_core::codec::Tensor;
use compress_core::codec::{Codes, Granularity, Grid, largest_codebook, sqrt2_power};
use compress_core::network::Activation;
use compress_core::rng::{self, Stream};
use compress_core::{Error, Result};

mod damage;
mod files;
mod fronts;
mod one_stream;
mod pinned;
mod refusals;
mod round_trip;
mod size;

/// Every kind of grid, each linear one with each granularity.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Float,
    SparseFloat,
    Linear(u8, Granularity, bool),
    Codebook(usize),
    PowerOfTwo(u8),
}

fn kinds() -> Vec<Kind> {
    let mut kinds = vec![Kind::Float, Kind::SparseFloat];
    kinds.extend([1, 2, 16, 300].map(Kind::Codebook));
    kinds.extend([2, 4, 8].map(Kind::PowerOfTwo));
    let groups = [1, 3, 5, 1000].map(Granularity::Group);
    for granularity in [Granularity::Tensor, Granularity::Channel]
        .into_iter()
        .chain(groups)
    {
        for bits in [2, 4, 8, 9, 16] {
            kinds.extend([false, true].map(|affine| Kind::Linear(bits, granularity, affine)));
        }
    }
    kinds
}

/// A tensor of `kind` with `per_mille` of its values not at the code that is the most frequent.
fn tensor(kind: Kind, name: &str, shape: &[usize], per_mille: u32, stream: &mut Stream) -> Tensor {
    let count: usize = shape.iter().product();
    let mut value = |low: f32, high: f32| low + (high - low) * rng::uniform(stream);
    let grid = match kind {
        Kind::Float | Kind::SparseFloat => {
            let mut values: Vec<f32> = (0..count).map(|_| value(-1.0, 1.0)).collect();
            if matches!(kind, Kind::SparseFloat) {
                for value in &mut values {
                    if rng::below(stream, 1000) >= per_mille {
                        *value = 0.0;
                    }
                }
            }
            return Tensor::Float {
                name: name.into(),
                shape: shape.to_vec(),
                values,
            };
        }
        Kind::Linear(bits, granularity, affine) => {
            let sets = granularity.sets(shape);
            let scales = (0..sets).map(|_| value(0.001, 0.1)).collect();
            let zero_points = (0..if affine { sets } else { 0 })
                .map(|_| rng::below(stream, 1 << bits) as i32)
                .collect();
            Grid::Linear {
                bits,
                granularity,
                scales,
                zero_points,
            }
        }
        Kind::Codebook(count) => Grid::Codebook {
            values: (0..count.min(largest_codebook(shape)))
                .map(|i| i as f32 * 0.37 - 2.0)
                .collect(),
        },
        Kind::PowerOfTwo(bits) => Grid::PowerOfTwo {
            bits,
            max_exponent: -3,
        },
    };
    let (low, high) = grid.code_range();
    let centre = (low + high) / 2;
    let codes: Vec<i32> = (0..count)
        .map(|_| {
            if rng::below(stream, 1000) < per_mille {
                low + rng::below(stream, (high - low + 1) as u32) as i32
            } else {
                centre
            }
        })
        .collect();
    Tensor::Quantized(QuantizedTensor {
        name: name.into(),
        shape: shape.to_vec(),
        codes: Codes::new((low, high), codes).unwrap(),
        grid,
    })
}

/// A model of `architecture` whose weights are of `weight` and whose biases are of `bias`.
fn model(architecture: Architecture, weight: Kind, bias: Kind, per_mille: u32) -> Artifact {
    let mut stream = rng::stream(per_mille.into(), "artifact.tests");
    let tensors = architecture
        .parameters()
        .map(|(name, shape)| {
            let kind = if shape.len() == 2 { weight } else { bias };
            tensor(kind, &name, &shape, per_mille, &mut stream)
        })
        .collect();
    Artifact {
        architecture,
        tensors,
    }
}

/// 784-300-100-10.
fn lenet() -> Architecture {
    Architecture::mlp(&[784, 300, 100, 10], Activation::Relu).unwrap()
}

/// Small models that together use every coding, every grid and every part of a header.
fn small_models() -> Vec<Artifact> {
    let mut named = Architecture::mlp(&[25, 4, 3, 2], Activation::Relu).unwrap();
    named.selected = Some(vec![0, 6, 7, 8, 12, 24]);
    named.layers[0].inputs = 6;
    named.layers[0].name = "größer".into();
    named.layers[1].activation = Activation::Tanh;
    let plain = Architecture::mlp(&[9, 5, 2], Activation::Gelu).unwrap();
    kinds()
        .into_iter()
        .flat_map(|kind| {
            [
                model(named.clone(), kind, Kind::Float, 1000),
                model(plain.clone(), kind, Kind::SparseFloat, 150),
                model(plain.clone(), Kind::SparseFloat, kind, 20),
            ]
        })
        .chain(fronted().map(|fronted| model(fronted, Kind::SparseFloat, Kind::Float, 500)))
        .chain(solid_models())
        .collect()
}

/// Models that are written as one stream: of all features, of those that are read, and behind
/// fronts.
fn solid_models() -> impl Iterator<Item = Artifact> {
    let kind = |bits| Kind::Linear(bits, Granularity::Tensor, false);
    let plain = Architecture::mlp(&[16, 5, 2], Activation::Relu).unwrap();
    let keep: Vec<bool> = (0..16).map(|i| i % 5 != 1).collect();
    let selected = plain.without_inputs(&keep).unwrap();
    [plain, selected]
        .into_iter()
        .chain(fronted())
        .flat_map(move |architecture| {
            [(4, 8, 1000), (5, 2, 700), (2, 16, 1000)].map(|(weight, bias, per_mille)| {
                let mut artifact = model(architecture.clone(), kind(weight), kind(bias), per_mille);
                for tensor in &mut artifact.tensors {
                    let Tensor::Quantized(tensor) = tensor else {
                        continue;
                    };
                    if let Grid::Linear { scales, .. } = &mut tensor.grid {
                        scales[0] = [1.0, sqrt2_power(-5), 0.3][usize::from(weight) % 3];
                    }
                    // Each selected feature is read by some weight.
                    if let [_, columns] = tensor.shape[..] {
                        (0..columns).for_each(|i| tensor.codes.set(i, 1).unwrap());
                    }
                }
                artifact
            })
        })
}

/// Chains behind each front of a square image and of others, with and without a selection.
fn fronted() -> impl Iterator<Item = Architecture> {
    [(6, 6), (5, 7), (1, 9)]
        .into_iter()
        .flat_map(|(height, width)| {
            [
                Pooling::TentPool { height, width },
                Pooling::TentPyramid { height, width },
            ]
        })
        .flat_map(|front| {
            let chain = Architecture::mlp(&[front.outputs(), 4, 2], Activation::Relu).unwrap();
            let all = chain.behind(front).unwrap();
            let keep: Vec<bool> = (0..all.inputs()).map(|i| i % 3 != 1).collect();
            [all.without_inputs(&keep).unwrap(), all]
        })
}

/// Puts the right checksum into bytes that were changed.
fn seal(bytes: &mut [u8]) {
    Artifact::repair_checksum(bytes);
}

/// Where what follows the checksum begins.
fn content(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(&solid::MAGIC) => solid::CHECKSUM.end,
        _ => CHECKSUM.end,
    }
}
