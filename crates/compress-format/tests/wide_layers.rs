//! Layers of so many inputs that sums of integers could overflow.

use compress_core::codec::Tensor;
use compress_core::codec::{Granularity, Grid, QuantizedTensor};
use compress_core::kernels::gemm_i8::MOST_INPUTS;
use compress_core::network::{Activation, Architecture};
use compress_format::artifact::Artifact;
use compress_format::runtime::{Arithmetic, Runtime};
use ndarray::Array2;

/// One layer of 2 outputs, each weight 127 · 0.01.
fn model(inputs: usize) -> Artifact {
    let weight = QuantizedTensor {
        name: "layers.0.weight".into(),
        shape: vec![2, inputs],
        codes: vec![127_i8; 2 * inputs].into(),
        grid: Grid::Linear {
            bits: 8,
            granularity: Granularity::Tensor,
            scales: vec![0.01],
            zero_points: Vec::new(),
        },
    };
    let bias = Tensor::Float {
        name: "layers.0.bias".into(),
        shape: vec![2],
        values: vec![0.0; 2],
    };
    Artifact {
        architecture: Architecture::mlp(&[inputs, 2], Activation::Relu).unwrap(),
        tensors: vec![Tensor::Quantized(weight), bias],
    }
}

#[test]
fn sums_of_integers_do_not_wrap() {
    for inputs in [
        MOST_INPUTS - 1,
        MOST_INPUTS,
        MOST_INPUTS + 1,
        66_400,
        140_000,
    ] {
        for arithmetic in [Arithmetic::Exact, Arithmetic::Integer] {
            let runtime = Runtime::with(model(inputs), arithmetic).unwrap();
            let expected = 1.27 * inputs as f32;
            for sign in [1.0, -1.0] {
                let ones = Array2::from_elem((3, inputs), sign);
                let logits = runtime.predict(ones.view()).unwrap();
                for logit in logits {
                    let error = (logit - sign * expected).abs() / expected;
                    assert!(error < 2e-3, "{inputs} inputs, {arithmetic:?}: {logit}");
                }
            }
        }
    }
}
