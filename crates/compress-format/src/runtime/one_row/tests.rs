//! Rows one by one against the batch.

use ndarray::{Array2, Axis, s};

use super::*;
use crate::Pooling;
use crate::runtime::Runtime;
use compress_core::chain::Front;
use compress_core::codec::{Codes, Granularity, Grid, QuantizedTensor, Tensor};
use compress_core::rng;

/// Whole numbers, one of `one_of` not zero.
fn whole(name: String, shape: Vec<usize>, one_of: usize) -> Tensor {
    let code = |i: usize| match (i * 37 + i / 64).is_multiple_of(one_of) {
        true => 7 - (i % 16) as i32,
        false => 0,
    };
    let grid = Grid::Linear {
        bits: 5,
        granularity: Granularity::Tensor,
        scales: vec![1.0],
        zero_points: vec![],
    };
    let codes = (0..shape.iter().product()).map(code);
    Tensor::Quantized(QuantizedTensor::new(&name, &shape, grid, codes).unwrap())
}

/// Scattered, dense, and scattered weights again at the end.
fn artifact(selected: bool, front: Option<Pooling>) -> Artifact {
    let features = front.map_or(144, |front| front.outputs());
    let inputs = if selected { features / 2 } else { features };
    let widths = [inputs, 50, 24, 10];
    let mut architecture = Architecture::mlp(&widths, Activation::Relu).unwrap();
    architecture.features = features;
    if selected {
        architecture.selected = Some((0..inputs as u32).map(|i| 2 * i + i % 2).collect());
    }
    if let Some(front) = front {
        architecture = architecture.behind(front).unwrap();
    }
    let pairs = widths.windows(2).zip([11, 3, 9]).enumerate();
    let tensors = pairs.flat_map(|(i, (pair, one_of))| {
        let weight = whole(format!("layers.{i}.weight"), vec![pair[1], pair[0]], one_of);
        [weight, whole(format!("layers.{i}.bias"), vec![pair[1]], 1)]
    });
    Artifact {
        tensors: tensors.collect(),
        architecture,
    }
}

fn images() -> Array2<f32> {
    let mut stream = rng::stream(1, "one row");
    Array2::from_shape_simple_fn((20, 144), || rng::uniform(&mut stream) - 0.3)
}

#[test]
fn rows_alone_have_the_bits_of_a_batch() {
    let (height, width) = (12, 12);
    let fronts = [
        None,
        Some(Pooling::TentPool { height, width }),
        Some(Pooling::TentPyramid { height, width }),
    ];
    for (front, selected) in fronts.into_iter().flat_map(|f| [(f, false), (f, true)]) {
        let artifact = artifact(selected, front);
        assert!(OneRow::new(&artifact).unwrap().is_some());
        let model = Runtime::new(artifact).unwrap();
        // Some too large for the short way, and some whose sums overflow.
        for scale in [1.0, 3e5, 1e37, 1e38] {
            let images = images() * scale;
            let together = model.predict(images.view()).unwrap();
            for count in [1, 2, 3] {
                for first in 0..20 - count {
                    let rows = s![first..first + count, ..];
                    let found = model.predict(images.slice(rows)).unwrap();
                    let found = found.mapv(f32::to_bits);
                    let expected = together.slice(rows).mapv(f32::to_bits);
                    assert_eq!(found, expected, "{selected} {front:?} {scale} {first}");
                }
            }
        }
    }
}

#[test]
fn what_is_not_finite_is_named_as_ever() {
    let (height, width) = (12, 12);
    let pyramid = Pooling::TentPyramid { height, width };
    let model = Runtime::new(artifact(true, Some(pyramid))).unwrap();
    // A few rows, and as many as make two blocks.
    for rows in [2, 20] {
        let mut images = images().slice_axis(Axis(0), (..rows).into()).to_owned();
        images[(rows - 1, 143)] = f32::NAN;
        let error = model.predict(images.view()).unwrap_err().to_string();
        let expected = format!("row {} of the inputs", rows - 1);
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn what_a_front_makes_larger_counts_toward_the_bound() {
    // 2^16 times 16 times 64^17 is 2^122, below the bound, and 2^124 is above it.
    let (height, width) = (6, 6);
    let goes_short = |front: Pooling| {
        let mut widths = vec![1; 19];
        widths[0] = front.outputs();
        let mut architecture = Architecture::mlp(&widths, Activation::Relu).unwrap();
        architecture = architecture.behind(front).unwrap();
        let tensors = architecture
            .layers
            .iter()
            .enumerate()
            .flat_map(|(i, layer)| {
                let mut weight = whole(layer.weight_name(), vec![1, layer.inputs], 1);
                let mut bias = whole(layer.bias_name(), vec![1], 1);
                if let (Tensor::Quantized(weight), Tensor::Quantized(bias)) =
                    (&mut weight, &mut bias)
                {
                    weight.codes = Codes::from(vec![0_i8; layer.inputs]);
                    weight.codes.set(0, if i == 0 { 16 } else { 64 }).unwrap();
                    bias.codes = Codes::from(vec![0_i8]);
                    if let Grid::Linear { bits, .. } = &mut weight.grid {
                        *bits = 8;
                    }
                }
                [weight, bias]
            });
        let tensors = tensors.collect();
        let artifact = Artifact {
            architecture: architecture.clone(),
            tensors,
        };
        OneRow::new(&artifact).unwrap().is_some()
    };
    assert!(goes_short(Pooling::TentPool { height, width }));
    assert!(!goes_short(Pooling::TentPyramid { height, width }));
}

#[test]
fn other_models_go_the_general_way() {
    let has = |edit: &dyn Fn(&mut Artifact)| {
        let mut artifact = artifact(true, None);
        edit(&mut artifact);
        OneRow::new(&artifact).unwrap().is_some()
    };
    assert!(has(&|_| {}));
    assert!(!has(
        &|a| a.architecture.layers[0].activation = Activation::Tanh
    ));
    let float = |values: Vec<f32>| Tensor::Float {
        name: "layers.2.bias".into(),
        shape: vec![10],
        values,
    };
    assert!(has(&|a| a.tensors[5] = float(vec![0.5; 10])));
    assert!(!has(&|a| a.tensors[5] = float(vec![-0.0; 10])));
    assert!(!has(&|a| a.tensors[5] = float(vec![1e38; 10])));
    let scaled = |a: &mut Artifact| {
        if let Tensor::Quantized(QuantizedTensor {
            grid: Grid::Linear { scales, .. },
            ..
        }) = &mut a.tensors[0]
        {
            scales[0] = 0.5;
        }
    };
    assert!(!has(&scaled));
}
