//! Folded and rounded networks against the ones they come from.

use compress_core::chain::{Activation, Architecture};
use compress_core::codec::{Grid, QuantizedTensor, Tensor, sqrt2_power};
use compress_core::network::Network;
use compress_format::artifact::Artifact;
use compress_format::runtime::Runtime;
use compress_quant::folding::{fold_steps, round_biases};
use compress_quant::qat::{LearnedStep, LearnedStepOptions};
use compress_testing::{Chain, normal};
use ndarray::Array2;
use proptest::prelude::*;

fn chain() -> Architecture {
    Architecture::mlp(&[9, 12, 7, 4], Activation::Relu).unwrap()
}

fn quantized(seed: u64) -> Vec<Tensor> {
    let network = Chain::normal(&[9, 12, 7, 4], seed);
    let steps = LearnedStep::fit(&network, LearnedStepOptions::default()).unwrap();
    steps.to_tensors(&network).unwrap()
}

fn inputs(rows: usize, seed: u64) -> Array2<f32> {
    Array2::from_shape_vec((rows, 9), normal(seed, "inputs", rows * 9)).unwrap()
}

fn predict(tensors: &[Tensor], inputs: &Array2<f32>) -> Array2<f32> {
    logits(&chain(), tensors, inputs).unwrap()
}

fn logits(
    chain: &Architecture,
    tensors: &[Tensor],
    inputs: &Array2<f32>,
) -> compress_core::Result<Array2<f32>> {
    let artifact = Artifact::of_chain(chain.clone(), tensors.to_vec())?;
    Runtime::new(artifact)?.predict(inputs.view())
}

/// The scale of a quantized tensor.
fn step(tensor: &Tensor) -> f32 {
    match tensor {
        Tensor::Quantized(QuantizedTensor {
            grid: Grid::Linear { scales, .. },
            ..
        }) => scales[0],
        other => panic!("{} is not on a linear grid", other.name()),
    }
}

/// Of the logits about each class's mean, written out.
fn spread(logits: &Array2<f32>) -> f64 {
    let rows = logits.nrows() as f64;
    let of_class = |class: ndarray::ArrayView1<'_, f32>| {
        let mean = class.iter().map(|&x| f64::from(x)).sum::<f64>() / rows;
        class
            .iter()
            .map(|&x| (f64::from(x) - mean).powi(2))
            .sum::<f64>()
    };
    let sum: f64 = logits.columns().into_iter().map(of_class).sum();
    (sum / logits.len() as f64).sqrt()
}

fn root_mean_square(a: &Array2<f32>, b: &Array2<f32>) -> f64 {
    let squares = a
        .iter()
        .zip(b)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    (squares.sum::<f64>() / a.len() as f64).sqrt()
}

#[test]
fn powers_of_the_root_of_two() {
    for e in -250..=250 {
        let exact = 2.0_f64.powf(f64::from(e) / 2.0);
        let error = (f64::from(sqrt2_power(e)) / exact - 1.0).abs();
        assert!(error < 6e-8, "{e}");
        assert!(e > 248 || sqrt2_power(e + 2) == 2.0 * sqrt2_power(e));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn folding_keeps_the_function_up_to_one_factor(seed in 0_u64..1000) {
        let original = quantized(seed);
        let (folded, scale) = fold_steps(&chain(), &original).unwrap();
        for weight in folded.iter().step_by(2) {
            let Tensor::Quantized(tensor) = weight else { panic!("not quantized") };
            let Grid::Linear { scales, .. } = &tensor.grid else { panic!("not linear") };
            prop_assert_eq!(&scales[..], &[1.0]);
        }
        let x = inputs(20, seed);
        let (before, after) = (predict(&original, &x), predict(&folded, &x));
        let size = before.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        for (a, b) in before.iter().zip(&after) {
            prop_assert!((f64::from(*a) - f64::from(*b) * scale).abs() < 1e-5 * f64::from(size));
        }
    }

    #[test]
    fn rounded_biases_keep_the_tolerance_and_no_coarser_step_does(seed in 0_u64..1000) {
        let (folded, _) = fold_steps(&chain(), &quantized(seed)).unwrap();
        let x = inputs(200, seed);
        let rounded = round_biases(&chain(), &folded, 0.03, &|t| Ok(predict(t, &x))).unwrap();
        let allowed = 0.03 * spread(&predict(&folded, &x));
        let change = |tensors: &[Tensor]| root_mean_square(&predict(tensors, &x), &predict(&folded, &x));
        prop_assert!(change(&rounded) <= 1.0001 * allowed);
        let mut biases = 0.0;
        for index in [1, 3, 5] {
            // The layers before are rounded, those behind not yet, and the step is the next
            // coarser one: more than the share of the biases so far is not allowed.
            let mut coarser = folded.clone();
            coarser[..index].clone_from_slice(&rounded[..index]);
            let values = folded[index].values().unwrap();
            biases += values.len() as f64;
            let step = step(&rounded[index]) * std::f32::consts::SQRT_2;
            let values: Vec<f32> = values.iter().map(|v| (v / step).round_ties_even() * step).collect();
            let none_left = values.iter().all(|v| *v == 0.0);
            let (name, shape) = (folded[index].name().into(), vec![values.len()]);
            coarser[index] = Tensor::Float { name, shape, values };
            let share = (biases / (12.0_f64 + 7.0 + 4.0)).sqrt();
            prop_assert!(none_left || change(&coarser) > 0.9999 * allowed * share, "{}", index);
        }
        for (tensor, float) in rounded.iter().zip(&folded).skip(1).step_by(2) {
            let Tensor::Quantized(tensor) = tensor else { panic!("not quantized") };
            let Grid::Linear { scales, .. } = &tensor.grid else { panic!("not linear") };
            prop_assert!((-120..=120).any(|e| sqrt2_power(e) == scales[0]));
            for (code, value) in tensor.codes.iter().zip(float.values().unwrap()) {
                prop_assert!((code as f32 * scales[0] - value).abs() <= 0.5001 * scales[0]);
            }
        }
    }
}

#[test]
fn refuses_what_it_cannot_fold_or_round() {
    let network = Chain::normal(&[9, 12, 4], 3);
    let steps = LearnedStep::fit(&network, LearnedStepOptions::default()).unwrap();
    let mut other = steps.to_tensors(&network).unwrap();
    let chain = network.architecture();
    let (folded, _) = fold_steps(&chain, &other).unwrap();
    let mut curved = chain.clone();
    curved.layers[0].activation = Activation::Tanh;
    let error = fold_steps(&curved, &other).unwrap_err().to_string();
    assert!(error.contains("layers.0"), "{error}");
    let error = fold_steps(&chain, &other[..3]).unwrap_err().to_string();
    assert!(error.contains("layers.1.bias"), "{error}");
    other[2] = Tensor::Float {
        name: "layers.1.weight".into(),
        shape: vec![4, 12],
        values: vec![1.0; 48],
    };
    let error = fold_steps(&chain, &other).unwrap_err().to_string();
    assert!(error.contains("layers.1.weight"), "{error}");
    let round = |tolerance, x: &Array2<f32>| {
        round_biases(&chain, &folded, tolerance, &|t| logits(&chain, t, x))
    };
    for tolerance in [0.0, -1.0, f32::NAN, 1e-12] {
        assert!(round(tolerance, &inputs(5, 1)).is_err());
    }
    assert!(round(0.1, &Array2::zeros((0, 9))).is_err());
    assert!(round(0.1, &Array2::zeros((3, 8))).is_err());
}
