//! A loaded model against the same arithmetic written out, and what it refuses.

use ndarray::{Array2, Axis, array};

use super::*;
use crate::Pooling;
use crate::artifact::Artifact;
use compress_core::Error;
use compress_core::chain::{Activation, Architecture, Front};
use compress_core::codec::{Codes, Granularity, Grid, QuantizedTensor, Tensor};
use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::ops::scalar;
use compress_core::rng;

mod faults;
mod packed;

const ACTIVATIONS: [Activation; 4] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Gelu,
    Activation::Tanh,
];

fn random(name: &str, rows: usize, columns: usize) -> Array2<f32> {
    let mut values = vec![0.0; rows * columns];
    rng::fill_uniform(&mut rng::stream(1, name), -1.0, 1.0, &mut values).unwrap();
    Array2::from_shape_vec((rows, columns), values).unwrap()
}

fn float(name: &str, shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::Float {
        name: name.into(),
        shape: shape.to_vec(),
        values: values.to_vec(),
    }
}

/// Six of nine features, a quantized layer of seven neurons, a float one of three outputs.
fn artifact(hidden: Activation, last: Activation) -> Artifact {
    let mut architecture = Architecture::mlp(&[6, 7, 3], hidden).unwrap();
    architecture.features = 9;
    architecture.selected = Some(vec![0, 2, 3, 5, 7, 8]);
    architecture.layers[1].activation = last;
    let grid = Grid::Linear {
        bits: 4,
        granularity: Granularity::Channel,
        scales: (0..7).map(|i| 0.05 + 0.01 * i as f32).collect(),
        zero_points: (0..7).map(|i| i + 4).collect(),
    };
    let codes = (0..42).map(|i| i * 7 % 16);
    let weight = random("runtime.weight", 3, 7);
    Artifact {
        architecture,
        tensors: vec![
            on_grid("layers.0.weight", &[7, 6], grid, codes),
            float(
                "layers.0.bias",
                &[7],
                &[0.1, -0.2, 0.3, 0.0, 0.5, -0.6, 0.7],
            ),
            float("layers.1.weight", &[3, 7], weight.as_slice().unwrap()),
            float("layers.1.bias", &[3], &[0.25, -0.5, 1.0]),
        ],
    }
}

fn on_grid(
    name: &str,
    shape: &[usize],
    grid: Grid,
    codes: impl IntoIterator<Item = i32>,
) -> Tensor {
    Tensor::Quantized(QuantizedTensor::new(name, shape, grid, codes).unwrap())
}

fn apply(activation: Activation, x: f32) -> f32 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::Gelu => scalar::gelu(x),
        Activation::Tanh => scalar::tanh(x),
    }
}

fn direct(artifact: &Artifact, inputs: &Array2<f32>) -> Array2<f32> {
    let mut state = inputs.select(Axis(1), &[0, 2, 3, 5, 7, 8]);
    for (spec, pair) in artifact
        .architecture
        .layers
        .iter()
        .zip(artifact.tensors.chunks(2))
    {
        let shape = (spec.outputs, spec.inputs);
        let weight = Array2::from_shape_vec(shape, pair[0].values().unwrap()).unwrap();
        let bias = pair[1].values().unwrap();
        let mut out = Array2::zeros((state.nrows(), spec.outputs));
        gemm(state.view(), weight.t(), Init::Bias(&bias), out.view_mut()).unwrap();
        state = out.mapv(|x| apply(spec.activation, x));
    }
    state
}

#[test]
fn the_bits_are_those_of_the_arithmetic_written_out() {
    let inputs = random("runtime.inputs", 33, 9);
    for hidden in ACTIVATIONS {
        for last in ACTIVATIONS {
            let artifact = artifact(hidden, last);
            let (bytes, _) = artifact.to_bytes().unwrap();
            let model = Runtime::from_bytes(&bytes).unwrap();
            assert_eq!(model.architecture(), &artifact.architecture);
            let bits = |a: Array2<f32>| a.mapv(f32::to_bits);
            let found = bits(model.predict(inputs.view()).unwrap());
            assert_eq!(
                found,
                bits(direct(&artifact, &inputs)),
                "{hidden:?} {last:?}"
            );
        }
    }
}

#[test]
fn the_order_of_the_inputs_in_memory_does_not_matter() {
    let inputs = random("runtime.inputs", 9, 12);
    let model = Runtime::new(artifact(Activation::Relu, Activation::Identity)).unwrap();
    let contiguous = inputs.t().as_standard_layout().into_owned();
    let expected = model.predict(contiguous.view()).unwrap();
    assert_eq!(model.predict(inputs.t()).unwrap(), expected);
}

#[test]
fn features_that_are_not_selected_do_not_matter_but_must_be_finite() {
    let model = Runtime::new(artifact(Activation::Gelu, Activation::Identity)).unwrap();
    let mut inputs = random("runtime.inputs", 4, 9);
    let before = model.predict(inputs.view()).unwrap();
    inputs.column_mut(4).fill(1e9);
    assert_eq!(model.predict(inputs.view()).unwrap(), before);
    inputs[[3, 4]] = f32::INFINITY;
    assert!(model.predict(inputs.view()).is_err());
}

#[test]
fn a_wrong_number_of_features_is_refused() {
    let model = Runtime::new(artifact(Activation::Relu, Activation::Identity)).unwrap();
    for features in [0, 6, 8, 10] {
        let error = model
            .predict(Array2::zeros((2, features)).view())
            .unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
    }
}

#[test]
fn no_samples_give_no_predictions() {
    let model = Runtime::new(artifact(Activation::Tanh, Activation::Identity)).unwrap();
    let none = Array2::zeros((0, 9));
    assert_eq!(model.predict(none.view()).unwrap().dim(), (0, 3));
    assert!(model.predict_classes(none.view()).unwrap().is_empty());
}

#[test]
fn of_equal_logits_the_first_is_the_class() {
    let artifact = Artifact {
        architecture: Architecture::mlp(&[2, 4], Activation::Relu).unwrap(),
        tensors: vec![
            float(
                "layers.0.weight",
                &[4, 2],
                &[0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0],
            ),
            float("layers.0.bias", &[4], &[0.0; 4]),
        ],
    };
    let model = Runtime::new(artifact).unwrap();
    let inputs = array![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [-1.0, -2.0], [0.5, 2.0]];
    assert_eq!(
        model.predict_classes(inputs.view()).unwrap(),
        [0, 1, 1, 0, 3]
    );
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let mut bad = artifact(Activation::Relu, Activation::Identity);
    bad.tensors.swap(0, 2);
    assert!(Runtime::new(bad).is_err());
    let mut bad = artifact(Activation::Relu, Activation::Identity);
    bad.tensors.pop();
    assert!(Runtime::new(bad).is_err());
    assert!(Runtime::from_bytes(b"CMP").is_err());
}

/// What [`Arithmetic::Integer`] says, written out: inputs in 8 bits by rows, then integers.
fn integers(artifact: &Artifact, inputs: &Array2<f32>) -> Array2<f32> {
    let mut state = inputs.select(Axis(1), &[0, 2, 3, 5, 7, 8]);
    let layers = artifact.architecture.layers.iter();
    for (spec, pair) in layers.zip(artifact.tensors.chunks(2)) {
        let bias = pair[1].values().unwrap();
        let mut out = Array2::zeros((state.nrows(), spec.outputs));
        if let Tensor::Quantized(tensor) = &pair[0] {
            let Grid::Linear {
                scales,
                zero_points,
                ..
            } = &tensor.grid
            else {
                panic!("a linear grid");
            };
            let mut rows = compress_core::kernels::gemm_i8::QuantizedRows::new();
            rows.quantize(state.view()).unwrap();
            for ((i, j), y) in out.indexed_iter_mut() {
                let codes = &tensor.codes.to_vec()[j * spec.inputs..][..spec.inputs];
                let sum: i32 = rows
                    .row(i)
                    .iter()
                    .zip(codes)
                    .map(|(&x, &w)| (i32::from(x) - rows.zero_points()[i]) * (w - zero_points[j]))
                    .sum();
                *y = (sum as f32).mul_add(rows.scales()[i] * scales[j], bias[j]);
            }
        } else {
            let shape = (spec.outputs, spec.inputs);
            let weight = Array2::from_shape_vec(shape, pair[0].values().unwrap()).unwrap();
            gemm(state.view(), weight.t(), Init::Bias(&bias), out.view_mut()).unwrap();
        }
        state = out.mapv(|x| apply(spec.activation, x));
    }
    state
}

#[test]
fn integers_run_where_the_weights_are_codes() {
    for rows in [1, 5, 200] {
        let inputs = random("runtime.integers", rows, 9);
        for hidden in ACTIVATIONS {
            let artifact = artifact(hidden, Activation::Identity);
            let model = Runtime::with(artifact.clone(), Arithmetic::Integer).unwrap();
            let kernels: Vec<_> = model.kernels().collect();
            assert_eq!(kernels, [LayerKernel::DenseI8, LayerKernel::DenseF32]);
            let found = model.predict(inputs.view()).unwrap();
            assert_eq!(found, integers(&artifact, &inputs), "{hidden:?}");
        }
    }
}

#[test]
fn codes_that_do_not_fit_into_8_bits_run_in_f32() {
    let mut wide = artifact(Activation::Relu, Activation::Identity);
    let Tensor::Quantized(tensor) = &mut wide.tensors[0] else {
        panic!("a quantized tensor");
    };
    let grid = Grid::Linear {
        bits: 9,
        granularity: Granularity::Tensor,
        scales: vec![0.01],
        zero_points: vec![],
    };
    tensor.codes = Codes::new(grid.code_range(), &tensor.codes).unwrap();
    tensor.codes.set(5, 128).unwrap();
    tensor.grid = grid;
    let model = Runtime::with(wide.clone(), Arithmetic::Integer).unwrap();
    assert!(model.kernels().all(|k| k == LayerKernel::DenseF32));
    let Tensor::Quantized(tensor) = &mut wide.tensors[0] else {
        panic!("a quantized tensor");
    };
    tensor.codes.set(5, 127).unwrap();
    let model = Runtime::with(wide, Arithmetic::Integer).unwrap();
    assert_eq!(model.kernels().next(), Some(LayerKernel::DenseI8));
}

#[test]
fn a_session_gives_the_same_bits_whatever_it_did_before() {
    for arithmetic in [Arithmetic::Exact, Arithmetic::Integer] {
        let model = artifact(Activation::Relu, Activation::Identity);
        let model = Runtime::with(model, arithmetic).unwrap();
        let mut session = model.session();
        for rows in [3, 300, 1, 65, 0, 64, 2] {
            let inputs = random("runtime.session", rows, 9);
            let mut logits = Array2::from_elem((rows, 3), f32::NAN);
            session
                .predict_into(inputs.view(), logits.view_mut())
                .unwrap();
            assert_eq!(logits, model.predict(inputs.view()).unwrap());
            let mut classes = vec![9; rows];
            session
                .predict_classes_into(inputs.view(), &mut classes)
                .unwrap();
            assert_eq!(classes, model.predict_classes(inputs.view()).unwrap());
            for row in 0..rows {
                let one = inputs.slice(ndarray::s![row..row + 1, ..]);
                assert_eq!(model.predict(one).unwrap().row(0), logits.row(row));
            }
            // The first row of a block, and one that is not.
            for row in [64, 67].into_iter().filter(|&row| row < rows) {
                let mut bad = inputs.clone();
                bad[(row, 8)] = f32::NAN;
                let fault = session
                    .predict_into(bad.view(), logits.view_mut())
                    .unwrap_err();
                assert!(
                    fault.to_string().contains(&format!("row {row} of")),
                    "{fault}"
                );
            }
        }
        let mut strided = Array2::zeros((2, 6));
        let strided = strided.slice_mut(ndarray::s![.., ..;2]);
        let inputs = random("runtime.session", 2, 9);
        assert!(session.predict_into(inputs.view(), strided).is_err());
        assert!(
            session
                .predict_classes_into(inputs.view(), &mut [0])
                .is_err()
        );
    }
}

/// One layer `[n, k]` of codes on a grid.
fn one_layer(n: usize, k: usize, grid: Grid, codes: Vec<i32>) -> Artifact {
    let bias: Vec<f32> = (0..n).map(|i| i as f32 * 0.125 - 1.0).collect();
    Artifact {
        architecture: Architecture::mlp(&[k, n], Activation::Relu).unwrap(),
        tensors: vec![
            on_grid("layers.0.weight", &[n, k], grid, codes),
            float("layers.0.bias", &[n], &bias),
        ],
    }
}

fn only_kernel(model: &Runtime) -> LayerKernel {
    let kernels: Vec<_> = model.kernels().collect();
    assert_eq!(kernels.len(), 1);
    kernels[0]
}

#[test]
fn few_weights_run_without_the_zeros_and_give_the_same_values() {
    let (n, k) = (130, 200);
    let grid = || Grid::Codebook {
        values: vec![-1.5, -0.25, 0.0, 0.75],
    };
    let codes = |keep: usize| -> Vec<i32> {
        let code = |i: usize| if i % 100 < keep { [0, 1, 3][i % 3] } else { 2 };
        (0..n * k).map(|i| code(i * 37 + i / 100)).collect()
    };
    for (keep, expected) in [
        (0, LayerKernel::SparseF32),
        (8, LayerKernel::SparseF32),
        (40, LayerKernel::DenseF32),
    ] {
        is_a_dense_product(one_layer(n, k, grid(), codes(keep)), expected);
    }
}

/// Runs a model of one layer on the `expected` kernel, with the bits of a dense product in f32.
fn is_a_dense_product(artifact: Artifact, expected: LayerKernel) {
    let model = Runtime::new(artifact.clone()).unwrap();
    assert_eq!(only_kernel(&model), expected);
    let layer = &artifact.architecture.layers[0];
    let (n, k) = (layer.outputs, layer.inputs);
    let weight = artifact.tensors[0].values().unwrap();
    let weight = Array2::from_shape_vec((n, k), weight).unwrap();
    let bias = artifact.tensors[1].values().unwrap();
    for rows in [1, 2, 7, 64, 150] {
        let inputs = random("runtime.sparse", rows, k);
        let mut dense = Array2::zeros((rows, n));
        let init = Init::Bias(&bias);
        gemm(inputs.view(), weight.t(), init, dense.view_mut()).unwrap();
        let found = model.predict(inputs.view()).unwrap();
        assert_eq!(found, dense, "{n} {k} {rows} on {expected}");
    }
}

#[test]
fn whole_numbers_run_as_they_are_and_give_the_same_values() {
    // Scattered and in blocks, in a small layer and in a large one.
    for (n, k, one_of, expected) in [
        (80, 200, 20, LayerKernel::SparseI8),
        (40, 80, 4, LayerKernel::SparseI8),
        (10, 40, 1, LayerKernel::SparseI8),
        (130, 200, 11, LayerKernel::SparseI8),
        (130, 200, 4, LayerKernel::DenseF32),
    ] {
        let grid = |scale: f32| Grid::Linear {
            bits: 8,
            granularity: Granularity::Tensor,
            scales: vec![scale],
            zero_points: vec![],
        };
        let code = |i: usize| match (i * 37 + i / 100).is_multiple_of(one_of) {
            true => i as i32 % 255 - 127,
            false => 0,
        };
        let codes = || (0..n * k).map(code).collect();
        is_a_dense_product(one_layer(n, k, grid(1.0), codes()), expected);
        // With another scale they are not the weights.
        let scaled = one_layer(n, k, grid(0.5), codes());
        let scaled = Runtime::new(scaled).unwrap();
        assert_ne!(only_kernel(&scaled), LayerKernel::SparseI8);
    }
}

#[test]
fn integers_give_way_to_few_weights_alone() {
    let (n, k) = (130, 200);
    for (one_of, expected) in [
        (100, LayerKernel::SparseF32),
        (20, LayerKernel::DenseI8),
        (2, LayerKernel::DenseI8),
    ] {
        let grid = Grid::Linear {
            bits: 8,
            granularity: Granularity::Tensor,
            scales: vec![0.01],
            zero_points: vec![],
        };
        let code = |i: usize| {
            if i.is_multiple_of(one_of) {
                1 + i as i32 % 127
            } else {
                0
            }
        };
        let artifact = one_layer(n, k, grid, (0..n * k).map(code).collect());
        let model = Runtime::with(artifact, Arithmetic::Integer).unwrap();
        assert_eq!(only_kernel(&model), expected, "1 of {one_of}");
    }
}

#[test]
fn a_scale_whose_eighth_multiple_is_beyond_f32_runs_in_f32() {
    let grid = Grid::Linear {
        bits: 4,
        granularity: Granularity::Tensor,
        scales: vec![4.8e37],
        zero_points: vec![],
    };
    let codes = (0..1100 * 1000).map(|i| i % 15 - 7).collect();
    let artifact = one_layer(1100, 1000, grid, codes);
    let model = Runtime::with(artifact, Arithmetic::Integer).unwrap();
    assert_eq!(only_kernel(&model), LayerKernel::DenseF32);
}

#[test]
fn four_bits_stay_packed() {
    let group = |zero_points: Vec<i32>, sets: usize| Grid::Linear {
        bits: 4,
        granularity: Granularity::Group(32),
        scales: (0..sets).map(|i| 0.01 + i as f32 * 1e-4).collect(),
        zero_points,
    };
    let channel = Grid::Linear {
        bits: 4,
        granularity: Granularity::Channel,
        scales: (0..1100).map(|i| 0.01 + i as f32 * 1e-5).collect(),
        zero_points: vec![],
    };
    let levels = Grid::Codebook {
        values: (0..13).map(|i| (i * i) as f32 * 0.01 - 0.5).collect(),
    };
    let symmetric = |i: usize| (i * 7 + i / 13) as i32 % 15 - 7;
    let unsigned = |i: usize| (i * 7 + i / 13) as i32 % 13;
    let zeros = (0..5 * 4).map(|i| i % 16).collect();
    for (n, k, grid, code) in [
        (
            5,
            100,
            group(vec![], 20),
            &symmetric as &dyn Fn(usize) -> i32,
        ),
        (5, 100, group(zeros, 20), &unsigned),
        (1100, 1000, channel, &symmetric),
        (700, 1000, levels, &unsigned),
    ] {
        let artifact = one_layer(n, k, grid, (0..n * k).map(code).collect());
        let exact = Runtime::new(artifact.clone()).unwrap();
        let packed = Runtime::with(artifact.clone(), Arithmetic::Integer).unwrap();
        assert_eq!(only_kernel(&exact), LayerKernel::DenseF32);
        assert_eq!(only_kernel(&packed), LayerKernel::PackedI4);
        let weight = artifact.tensors[0].values().unwrap();
        for rows in [1, 3] {
            let inputs = random("runtime.packed", rows, k);
            let expected = exact.predict(inputs.view()).unwrap();
            let found = packed.predict(inputs.view()).unwrap();
            for ((i, j), &y) in found.indexed_iter() {
                // An input is off by half of a 127th at most.
                let weights = &weight[j * k..][..k];
                let bound: f32 = weights.iter().map(|w| w.abs() / 254.0).sum();
                let error = (y - expected[(i, j)]).abs();
                assert!(error <= bound * 1.01 + 1e-3, "{n}x{k}: {error} of {bound}");
            }
        }
    }
}

/// Two layers of 2 neurons on integers, the second of which takes what the first gives.
fn two_of_integers(scale: f32) -> Runtime {
    let weight = |i: usize| {
        let grid = Grid::Linear {
            bits: 8,
            granularity: Granularity::Tensor,
            scales: vec![scale],
            zero_points: vec![],
        };
        on_grid(
            &format!("layers.{i}.weight"),
            &[2, 2],
            grid,
            [100, -3, 7, 50],
        )
    };
    let bias = |i: usize| float(&format!("layers.{i}.bias"), &[2], &[0.5, -0.5]);
    let artifact = Artifact {
        architecture: Architecture::mlp(&[2, 2, 2], Activation::Relu).unwrap(),
        tensors: vec![weight(0), bias(0), weight(1), bias(1)],
    };
    Runtime::with(artifact, Arithmetic::Integer).unwrap()
}

/// The chain that reads what a front gives, behind it and after it.
#[test]
fn a_front_gives_the_bits_that_its_chain_reads() {
    let (height, width) = (4, 9);
    a_front_gives_its_chain(Pooling::TentPool { height, width }, &[0, 2, 3, 5, 7, 8]);
    let (height, width) = (4, 6);
    a_front_gives_its_chain(Pooling::TentPyramid { height, width }, &[0, 2, 4, 5, 6, 7]);
}

fn a_front_gives_its_chain(front: Pooling, selected: &[u32]) {
    let (reads, gives) = (front.inputs(), front.outputs());
    for selected in [None, Some(selected.to_vec())] {
        let mut after = artifact(Activation::Relu, Activation::Identity);
        let chain = &mut after.architecture;
        (chain.features, chain.selected) = (gives, selected);
        if chain.selected.is_none() {
            chain.layers[0].inputs = gives;
            after.tensors[0] = float(
                "layers.0.weight",
                &[7, gives],
                random("runtime.front", 7, gives).as_slice().unwrap(),
            );
        }
        let mut behind = after.clone();
        behind.architecture = after.architecture.behind(front).unwrap();
        let (bytes, _) = behind.to_bytes().unwrap();
        for arithmetic in [Arithmetic::Exact, Arithmetic::Integer] {
            let after = Runtime::with(after.clone(), arithmetic).unwrap();
            let behind = Artifact::from_bytes(&bytes).unwrap();
            let behind = Runtime::with(behind, arithmetic).unwrap();
            for batch in [1, 33, 300] {
                let inputs = random("runtime.front.inputs", batch, reads);
                let mut given = Array2::zeros((batch, gives));
                for (row, mut out) in inputs.rows().into_iter().zip(given.rows_mut()) {
                    let (row, out) = (row.to_slice().unwrap(), out.as_slice_mut().unwrap());
                    front.apply(row, out).unwrap();
                }
                let expected = after.predict(given.view()).unwrap();
                assert_eq!(behind.predict(inputs.view()).unwrap(), expected);
                let strided = inputs.t().as_standard_layout().into_owned();
                assert_eq!(behind.predict(strided.t()).unwrap(), expected);
            }
        }
    }
}
