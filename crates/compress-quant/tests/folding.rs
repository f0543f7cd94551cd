//! Folded and rounded networks against the ones they come from.

use compress_core::artifact::{Artifact, Tensor};
use compress_core::codec::{Grid, sqrt2_power};
use compress_core::network::{Activation, Network};
use compress_core::runtime::Runtime;
use compress_quant::folding::{fold_steps, round_biases};
use compress_quant::qat::{LearnedStep, LearnedStepOptions};
use compress_testing::{Chain, normal};
use ndarray::Array2;
use proptest::prelude::*;

fn artifact(seed: u64) -> Artifact {
    let network = Chain::normal(&[9, 12, 7, 4], seed);
    let steps = LearnedStep::fit(&network, LearnedStepOptions::default()).unwrap();
    steps.to_artifact(&network).unwrap()
}

fn inputs(rows: usize, seed: u64) -> Array2<f32> {
    Array2::from_shape_vec((rows, 9), normal(seed, "inputs", rows * 9)).unwrap()
}

fn predict(artifact: &Artifact, inputs: &Array2<f32>) -> Array2<f32> {
    let runtime = Runtime::new(artifact.clone()).unwrap();
    runtime.predict(inputs.view()).unwrap()
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
        let original = artifact(seed);
        let (folded, scale) = fold_steps(&original).unwrap();
        for weight in folded.tensors.iter().step_by(2) {
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
        let (folded, _) = fold_steps(&artifact(seed)).unwrap();
        let x = inputs(200, seed);
        let rounded = round_biases(&folded, x.view(), 0.03).unwrap();
        let (before, after) = (predict(&folded, &x), predict(&rounded, &x));
        let n = before.len() as f64;
        let change = before.iter().zip(&after).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        let spread: f64 = before.columns().into_iter().map(|c| {
            let mean = c.iter().map(|&x| f64::from(x)).sum::<f64>() / 200.0;
            c.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>()
        }).sum();
        prop_assert!((change / n).sqrt() <= 0.03001 * (spread / n).sqrt());
        for (tensor, float) in rounded.tensors.iter().zip(&folded.tensors).skip(1).step_by(2) {
            let Tensor::Quantized(tensor) = tensor else { panic!("not quantized") };
            let Grid::Linear { scales, .. } = &tensor.grid else { panic!("not linear") };
            prop_assert!((-120..=120).any(|e| sqrt2_power(e) == scales[0]));
            for (code, value) in tensor.codes.iter().zip(float.values().unwrap()) {
                prop_assert!((*code as f32 * scales[0] - value).abs() <= 0.5001 * scales[0]);
            }
        }
        // A tenth of the tolerance needs finer steps.
        let finer = round_biases(&folded, x.view(), 0.003).unwrap();
        let step = |a: &Artifact, i: usize| match &a.tensors[i] {
            Tensor::Quantized(t) => match &t.grid {
                Grid::Linear { scales, .. } => scales[0],
                _ => 0.0,
            },
            Tensor::Float { .. } => 0.0,
        };
        prop_assert!(step(&finer, 1) < step(&rounded, 1));
    }
}

#[test]
fn refuses_what_it_cannot_fold_or_round() {
    let network = Chain::normal(&[9, 12, 4], 3);
    let steps = LearnedStep::fit(&network, LearnedStepOptions::default()).unwrap();
    let mut other = steps.to_artifact(&network).unwrap();
    let (folded, _) = fold_steps(&other).unwrap();
    other.architecture.layers[0].activation = Activation::Tanh;
    let error = fold_steps(&other).unwrap_err().to_string();
    assert!(error.contains("layers.0"), "{error}");
    other.architecture = network.architecture();
    other.tensors[2] = Tensor::Float {
        name: "layers.1.weight".into(),
        shape: vec![4, 12],
        values: vec![1.0; 48],
    };
    let error = fold_steps(&other).unwrap_err().to_string();
    assert!(error.contains("layers.1.weight"), "{error}");
    let x = inputs(5, 1);
    for tolerance in [0.0, -1.0, f32::NAN, 1e-12] {
        assert!(round_biases(&folded, x.view(), tolerance).is_err());
    }
    assert!(round_biases(&folded, Array2::zeros((0, 9)).view(), 0.1).is_err());
    assert!(round_biases(&folded, Array2::zeros((3, 8)).view(), 0.1).is_err());
}
