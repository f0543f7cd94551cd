//! Learned steps against the formulae written out in f64, on dense and on live weights.

use compress_core::Result;
use compress_core::codec::Tensor;
use compress_core::gradients::{Gradients, LiveSets};
use compress_core::hook::{Run, TrainHook};
use compress_core::mask::{Mask, TensorMask};
use compress_core::network::Edit;
use compress_core::parameters::{Change, Parameters, See};
use compress_quant::qat::{LearnedStep, LearnedStepOptions};
use compress_testing::{Chain, CrossEntropy, Sgd, blobs};

use crate::common::{Masked, bits, step_once};

const WEIGHT: &str = "layers.0.weight";

fn options(penalty: f32) -> LearnedStepOptions {
    LearnedStepOptions {
        bits: 3,
        penalty,
        rate: 1.0,
    }
}

/// `clamp(round(w / s)) · s` with rounding held fixed, as the straight-through gradient has it:
/// what is inside moves with w, what is outside with the top level; and the penalty.
fn surrogate(w: f64, s: f64, at: (f64, f64), g: f64, penalty: f64) -> f64 {
    let (w0, s0) = at;
    let ratio = w0 / s0;
    let quantized = if ratio.abs() < 3.0 {
        w + s * (ratio.round_ties_even() - ratio)
    } else {
        3.0_f64.copysign(ratio) * s
    };
    g * quantized + penalty * (1.0 + w.abs() / s).log2()
}

#[test]
fn gradients_are_those_of_the_formula() {
    for penalty in [0.0, 0.3] {
        let mut network = Chain::normal(&[6, 5, 3], 2);
        network.parameters[0].values_mut()[7] = -40.0;
        let mut hook = LearnedStep::fit(&network, options(penalty)).unwrap();
        let s = f64::from(hook.step(WEIGHT).unwrap());
        let weights: Vec<f32> = network.parameters[0].values().to_vec();
        assert!(weights.iter().any(|w| f64::from(w.abs()) > 3.0 * s));
        let given: Vec<f32> = (0..30).map(|i| (i as f32 - 14.0) / 10.0).collect();

        step_once(&mut hook, &mut network, |network| {
            for (&w, &q) in weights.iter().zip(network.parameters[0].values()) {
                let expected = (f64::from(w) / s).round_ties_even().clamp(-3.0, 3.0) * s;
                assert!((f64::from(q) - expected).abs() < 1e-6);
            }
            network.parameters[0].gradient_mut().copy_from_slice(&given);
            Ok(())
        })
        .unwrap();
        assert_eq!(network.parameters[0].values(), weights);

        let (mut of_step, h) = (0.0, 1e-6);
        for (i, (&w, &g)) in weights.iter().zip(&given).enumerate() {
            let (w, g) = (f64::from(w), f64::from(g));
            let f = |w1, s1| surrogate(w1, s1, (w, s), g, f64::from(penalty));
            let expected = (f(w + h, s) - f(w - h, s)) / (2.0 * h);
            let found = f64::from(network.parameters[0].gradient()[i]);
            assert!((found - expected).abs() < 1e-4, "{i}: {found}, {expected}");
            of_step += (f(w, s + h) - f(w, s - h)) / (2.0 * h);
        }
        // Adam's first step is the sign of the gradient times the learning rate.
        let moved = f64::from(hook.step(WEIGHT).unwrap()).ln() - s.ln();
        assert!(
            (moved + 0.01 * of_step.signum()).abs() < 1e-5,
            "{moved}, {of_step}"
        );
    }
}

/// A network that holds its pruned weights at zero itself, so that the driver touches none.
struct Holding(Chain);

impl Parameters for Holding {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        self.0.visit(see)
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        self.0.visit_mut(change)
    }
}

impl Gradients for Holding {
    fn visit_gradients(&mut self, change: &mut Change<'_>) -> Result<()> {
        self.0.visit_gradients(change)
    }

    fn hold(&mut self, _: &LiveSets) -> Result<bool> {
        Ok(true)
    }
}

#[test]
fn only_live_weights_are_touched() {
    let mut network = Holding(Chain::normal(&[6, 5, 3], 3));
    let keep: Vec<bool> = (0..30).map(|i| i % 4 == 1).collect();
    let mut hook = LearnedStep::fit(&network, options(0.1)).unwrap();
    let mut masked = Masked(Mask {
        tensors: vec![TensorMask {
            name: WEIGHT.into(),
            shape: vec![5, 6],
            keep: keep.clone(),
        }],
    });
    let mut hooks: [&mut dyn TrainHook; 2] = [&mut hook, &mut masked];
    let mut run = Run::new(&mut hooks, 1);
    let taken: Result<()> = run.step(
        &mut network,
        0.01,
        |network, _| {
            network.0.parameters[0].gradient_mut().fill(7.0);
            Ok(())
        },
        |_, _| Ok(()),
    );
    taken.unwrap();
    let parameter = &network.0.parameters[0];
    for (i, live) in keep.iter().enumerate() {
        assert_eq!(*live, parameter.values()[i] != 0.0);
        assert_eq!(*live, parameter.gradient()[i] != 7.0);
    }
}

fn run(penalty: f32) -> (Sgd, LearnedStep, Vec<f32>) {
    let data = blobs(128, 4, 3, 2);
    let mut trainer = Sgd::new(Chain::random(&[4, 8, 3], 1));
    let mut hook = LearnedStep::fit(&trainer.network, options(penalty)).unwrap();
    let losses = trainer
        .run(&data, &CrossEntropy, &mut [&mut hook], 0..160, 160)
        .unwrap();
    (trainer, hook, losses)
}

#[test]
fn trains_what_it_ships() {
    let (trainer, hook, losses) = run(0.0);
    assert!(losses[159] < 0.5 * losses[0], "{losses:?}");
    let tensors = hook.to_tensors(&trainer.network).unwrap();
    for (parameter, tensor) in trainer.network.parameters().iter().zip(&tensors) {
        assert_eq!(parameter.values(), tensor.values().unwrap());
    }
    assert!(matches!(tensors[0], Tensor::Quantized(_)));
    assert!(matches!(tensors[1], Tensor::Float { .. }));
}

#[test]
fn a_hook_says_nothing_of_a_model_that_holds_quantized_weights() {
    let mut network = Chain::normal(&[6, 5, 3], 2);
    let mut hook = LearnedStep::fit(&network, options(0.0)).unwrap();
    let (before, state) = (bits(&network), hook.save().unwrap());
    let live = LiveSets::default();
    hook.before_evaluation(&mut network, &live).unwrap();
    // Once more: what it keeps is still what was trained.
    hook.before_evaluation(&mut network, &live).unwrap();
    let refused = [
        hook.save().map(drop),
        hook.load(&state),
        hook.to_tensors(&network).map(drop),
        hook.round(&mut network),
    ];
    for refused in refused {
        let error = refused.unwrap_err().to_string();
        assert!(
            error.contains("the model holds quantized weights"),
            "{error}"
        );
    }
    for _ in 0..2 {
        hook.after_evaluation(&mut network).unwrap();
        assert_eq!(bits(&network), before);
    }
}

#[test]
fn a_penalty_makes_codes_smaller() {
    let magnitudes = |penalty| {
        let (trainer, hook, _) = run(penalty);
        let tensors = hook.to_tensors(&trainer.network).unwrap();
        let codes = tensors.iter().filter_map(|t| match t {
            Tensor::Quantized(t) => Some(t.codes.iter().map(|c| c.abs()).sum::<i32>()),
            _ => None,
        });
        codes.sum::<i32>()
    };
    assert!(magnitudes(0.02) < magnitudes(0.0));
}

#[test]
fn goes_on_from_what_was_saved() {
    let (trainer, hook, _) = run(0.01);
    let saved = hook.save().unwrap();
    let fresh = || LearnedStep::fit(&trainer.network, options(0.01)).unwrap();
    let mut other = fresh();
    assert_ne!(other.step(WEIGHT), hook.step(WEIGHT));
    other.load(&saved).unwrap();
    assert_eq!(other.step(WEIGHT), hook.step(WEIGHT));
    assert_eq!(other.save().unwrap(), saved);
    for cut in 0..saved.len() {
        assert!(fresh().load(&saved[..cut]).is_err(), "{cut}");
    }
    assert!(fresh().load(&[saved.clone(), vec![0]].concat()).is_err());
}

#[test]
fn refuses_what_it_cannot_do() {
    let network = Chain::normal(&[6, 5, 3], 2);
    for bits in [0, 1, 17] {
        let wrong = LearnedStepOptions {
            bits,
            ..options(0.0)
        };
        assert!(LearnedStep::fit(&network, wrong).is_err());
    }
    assert!(LearnedStep::fit(&network, options(f32::NAN)).is_err());
    assert!(LearnedStep::fit(&network, options(-1.0)).is_err());
    let mut hook = LearnedStep::fit(&network, options(0.0)).unwrap();
    let mut other = Chain::normal(&[6, 4, 3], 2);
    let error = step_once(&mut hook, &mut other, |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains(WEIGHT), "{error}");
    // Nothing to learn a step for: such a tensor stays as it is.
    let mut zeros = network.clone();
    zeros.parameters[0].values_mut().fill(0.0);
    let hook = LearnedStep::fit(&zeros, options(0.0)).unwrap();
    assert_eq!(hook.step(WEIGHT), None);
}

#[test]
fn what_is_not_a_number_is_an_error_that_names_the_tensor() {
    let mut network = Chain::normal(&[6, 5, 3], 2);
    let mut hook = LearnedStep::fit(&network, options(0.0)).unwrap();
    let fitted = hook.step(WEIGHT);
    let before = bits(&network);
    let failed = step_once(&mut hook, &mut network, |network| {
        let parameter = &mut network.parameters[0];
        parameter.gradient_mut()[2] = f32::NAN;
        // A code of zero is +0, as the file has it.
        let zeros = parameter.values().iter().filter(|v| **v == 0.0);
        assert!(zeros.clone().count() > 0 && zeros.clone().all(|v| v.is_sign_positive()));
        Ok(())
    });
    let error = failed.unwrap_err().to_string();
    assert!(error.contains(WEIGHT), "{error}");
    assert_eq!(bits(&network), before);

    let mut hook = LearnedStep::fit(&Chain::normal(&[6, 5, 3], 2), options(0.0)).unwrap();
    assert_eq!(hook.step(WEIGHT), fitted);
    let mut saved = hook.save().unwrap();
    network.parameters[0].values_mut()[3] = f32::NAN;
    let error = hook.to_tensors(&network).unwrap_err().to_string();
    assert!(error.contains(WEIGHT), "{error}");
    // The last four bytes are a power that Adam divides by.
    let end = saved.len();
    saved[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(hook.load(&saved).is_err());
}

#[test]
fn rounded_weights_keep_their_codes_when_neurons_go() {
    for bits in [2, 5, 16] {
        let mut network = Chain::normal(&[6, 5, 3], 2);
        let mut hook = LearnedStep::fit(
            &network,
            LearnedStepOptions {
                bits,
                ..options(0.0)
            },
        )
        .unwrap();
        hook.before_evaluation(&mut network, &LiveSets::default())
            .unwrap();
        let shipped = network.values();
        hook.after_evaluation(&mut network).unwrap();

        let before = hook.to_tensors(&network).unwrap();
        hook.round(&mut network).unwrap();
        assert_eq!(network.values(), shipped);
        assert_eq!(hook.to_tensors(&network).unwrap(), before);

        let mut smaller = network.clone();
        let group = smaller.graph().group("layers.0").unwrap();
        smaller
            .keep(&group, &[true, false, true, true, false])
            .unwrap();
        let tensors = hook.to_tensors(&smaller).unwrap();
        tensors.iter().for_each(|t| t.validate().unwrap());
        for (tensor, values) in tensors.iter().zip(smaller.values()) {
            assert_eq!(tensor.values().unwrap(), values);
        }
        // Rounding is for the network that was trained; a layer that is gone is an error.
        assert!(hook.round(&mut smaller).is_err());
        let error = hook.to_tensors(&Chain::normal(&[6, 3], 2)).unwrap_err();
        assert!(error.to_string().contains("layers.1.weight"), "{error}");
        let unrounded = network.values();
        network.parameters[2].values_mut()[1] = f32::INFINITY;
        assert!(hook.round(&mut network).is_err());
        assert_eq!(network.values()[0], unrounded[0]);
    }
}
