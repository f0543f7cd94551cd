//! What a training step does in which order, and what it refuses.

use std::cell::RefCell;

use compress_core::gradients::LiveSets;
use compress_core::hook::Pruned;
use compress_core::mask::{Mask, TensorMask};
use compress_core::network::{Activation, Network, Parameter};
use compress_core::parameters::{self, Parameters};
use compress_core::train::{ArraySamples, Fit, Samples, TrainHook, Training};
use compress_core::{Error, Result};
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use ndarray::{Array2, ArrayViewMut2};

use crate::support::{mask, values};

fn network() -> Mlp {
    Mlp::new(&[3, 4, 2], Activation::Relu, Init::HeUniform, 3, "test").unwrap()
}

fn data() -> ArraySamples {
    let inputs = Array2::from_shape_fn((6, 3), |(i, j)| ((i * 5 + j * 3) % 7) as f32 - 3.0);
    ArraySamples::new(inputs, vec![0, 1, 1, 0, 1, 0]).unwrap()
}

fn settings(optimizer: Optimizer) -> Settings {
    Settings {
        epochs: 1,
        batch_size: 6,
        learning_rate: 0.5,
        optimizer,
        ..Settings::default()
    }
}

/// Writes down its name at each call, with the first weight as it is then.
struct Log<'l>(&'static str, &'l RefCell<Vec<(String, f32)>>);

impl Log<'_> {
    fn write(&self, event: &str, model: &dyn Parameters) -> Result<()> {
        let weight = parameters::values(model, "layers.1.weight")?[0];
        self.1
            .borrow_mut()
            .push((format!("{event} {}", self.0), weight));
        Ok(())
    }
}

impl TrainHook for Log<'_> {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.write("before", training.model)
    }

    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.write("backward", training.model)
    }

    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.write("step", training.model)
    }
}

#[test]
fn hooks_are_called_in_order_and_backwards_after_the_backward_pass() {
    let log = RefCell::new(Vec::new());
    let mut trainer = Trainer::new(network(), settings(Optimizer::sgd(0.0))).unwrap();
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut Log("a", &log), &mut Log("b", &log)];
    trainer.fit(&data(), &CrossEntropy, hooks).unwrap();
    let (names, weights): (Vec<String>, Vec<f32>) = log.into_inner().into_iter().unzip();
    let expected = [
        "before a",
        "before b",
        "backward b",
        "backward a",
        "step a",
        "step b",
    ];
    assert_eq!(names, expected);
    // The weight changes once: after the backward pass, before the hooks of the step.
    assert!(weights[..4].iter().all(|&w| w == weights[0]));
    assert!(
        weights[4..]
            .iter()
            .all(|&w| w == weights[4] && w != weights[0])
    );
}

/// What is lent after the backward pass: values, then gradients.
#[derive(Default)]
struct Names([Vec<(String, Vec<usize>)>; 2]);

impl TrainHook for Names {
    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        let [values, gradients] = &mut self.0;
        training.model.visit(&mut |tensor| {
            values.push((tensor.name.to_owned(), tensor.shape.to_vec()));
            tensor.check()
        })?;
        training.model.visit_gradients(&mut |gradient| {
            gradients.push((gradient.name.to_owned(), gradient.shape.to_vec()));
            gradient.as_ref().check()
        })
    }
}

#[test]
fn gradients_are_lent_under_the_names_of_the_parameters() {
    let mut names = Names::default();
    let mut trainer = Trainer::new(network(), settings(Optimizer::sgd(0.0))).unwrap();
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut names];
    trainer.fit(&data(), &CrossEntropy, hooks).unwrap();
    let [values, gradients] = names.0;
    assert_eq!(values, gradients);
    let expected = network();
    let expected = expected.parameters().into_iter();
    let expected = expected.map(|p| (p.name().to_owned(), p.shape().to_vec()));
    assert_eq!(gradients, Vec::from_iter(expected));
}

/// Replaces the gradients by ones.
struct Ones;

impl TrainHook for Ones {
    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        training.model.visit_gradients(&mut |gradient| {
            gradient.values.fill(1.0);
            Ok(())
        })
    }
}

#[test]
fn clipping_scales_all_gradients_by_their_joint_norm() {
    let before = network();
    let count = before.architecture().parameter_count() as f32;
    for (limit, expected) in [(0.5, 0.5 / count.sqrt()), (100.0, 1.0)] {
        let settings = Settings {
            gradient_clip: Some(limit),
            ..settings(Optimizer::sgd(0.0))
        };
        let mut trainer = Trainer::new(before.clone(), settings).unwrap();
        trainer
            .fit(&data(), &CrossEntropy, &mut [&mut Ones])
            .unwrap();
        let after = trainer.into_network();
        for (before, after) in before.parameters().into_iter().zip(after.parameters()) {
            for (before, after) in before.values().iter().zip(after.values()) {
                let gradient = (before - after) / 0.5;
                assert!(
                    (gradient - expected).abs() < 1e-5,
                    "{gradient} not {expected}"
                );
            }
        }
    }
}

/// Shows a mask from step `from` on.
struct Shows {
    mask: Mask,
    from: usize,
    done: usize,
}

impl TrainHook for Shows {
    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.done = training.step.step + 1;
        Ok(())
    }

    fn pruned(&self) -> Option<Pruned<'_>> {
        (self.done >= self.from).then_some(Pruned {
            mask: &self.mask,
            revision: 0,
        })
    }
}

#[test]
fn a_mask_that_does_not_fit_is_an_error_that_names_the_tensor() {
    let fits = || mask(&network(), |_, i| i % 2 == 0);
    let with = |change: fn(&mut TensorMask)| {
        let mut mask = fits();
        change(&mut mask.tensors[1]);
        mask
    };
    let renamed = with(|tensor| tensor.name = "layers.7.weight".into());
    let reshaped = with(|tensor| tensor.shape = vec![4, 2]);
    let short = with(|tensor| {
        tensor.keep.pop();
    });
    let mut twice = fits();
    twice.tensors[0] = twice.tensors[1].clone();
    for (mask, what) in [
        (renamed, "layers.7.weight"),
        (reshaped, "layers.1.weight"),
        (short, "layers.1.weight"),
        (twice, "one tensor twice"),
    ] {
        for (from, batchwise_dropout) in [(0, false), (1, false), (1, true)] {
            let settings = Settings {
                epochs: 3,
                dropout_hidden: 0.3,
                batchwise_dropout,
                ..settings(Optimizer::adam())
            };
            let (done, mask) = (0, mask.clone());
            let mut hook = Shows { mask, from, done };
            let mut trainer = Trainer::new(network(), settings).unwrap();
            let result = trainer.fit(&data(), &CrossEntropy, &mut [&mut hook]);
            let text = result.unwrap_err().to_string();
            assert!(text.contains(what), "{text}");
        }
    }
}

#[test]
fn a_network_whose_parameters_were_replaced_is_refused() {
    let mut reshaped = network();
    *reshaped.parameters_mut()[1] = Parameter::bias("layers.0.bias", vec![0.0; 9]);
    for batchwise_dropout in [false, true] {
        let settings = Settings {
            dropout_hidden: 0.3,
            batchwise_dropout,
            ..settings(Optimizer::adam())
        };
        let mut trainer = Trainer::new(reshaped.clone(), settings).unwrap();
        let error = trainer.fit(&data(), &CrossEntropy, &mut []).unwrap_err();
        assert!(error.to_string().contains("layers.0.bias"), "{error}");
    }
}

/// Samples with a value that is not finite, which a ReLU would hide.
struct Spoilt(f32);

impl Samples for Spoilt {
    fn len(&self) -> usize {
        20
    }

    fn features(&self) -> usize {
        3
    }

    fn labels(&self) -> &[u32] {
        &[0; 20]
    }

    fn fill(&self, _: u64, indices: &[usize], mut out: ArrayViewMut2<'_, f32>) -> Result<()> {
        out.fill(0.5);
        for (row, &index) in indices.iter().enumerate() {
            if index == 13 {
                out[(row, 2)] = self.0;
            }
        }
        Ok(())
    }
}

#[test]
fn a_sample_that_is_not_finite_is_named() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut trainer = Trainer::new(network(), settings(Optimizer::adam())).unwrap();
        let error = trainer
            .fit(&Spoilt(value), &CrossEntropy, &mut [])
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("feature 2 of sample 13"), "{text}");
    }
}

#[test]
fn what_cannot_work_is_refused_before_the_first_step() {
    let data = data();
    let fit = |trainer: Trainer<'_>| {
        let mut trainer = trainer;
        trainer.fit(&data, &CrossEntropy, &mut []).unwrap_err()
    };
    let trainer = || Trainer::new(network(), settings(Optimizer::adam())).unwrap();
    assert!(
        fit(trainer().validation(&data, 0))
            .to_string()
            .contains("every_epochs")
    );
    assert!(
        fit(trainer().checkpoint("unused", 0))
            .to_string()
            .contains("every_epochs")
    );
    let missing = fit(trainer().resume("no/such/checkpoint"));
    assert!(matches!(missing, Error::Io { .. }), "{missing}");
    let unlabelled = ArraySamples::new(Array2::zeros((2, 3)), Vec::new()).unwrap();
    let mut trainer = trainer();
    assert!(trainer.fit(&unlabelled, &CrossEntropy, &mut []).is_err());
}

#[test]
fn the_last_batch_is_what_is_left_and_progress_counts_every_step() {
    let mut seen = Vec::new();
    let settings = Settings {
        epochs: 2,
        batch_size: 4,
        ..Settings::default()
    };
    let mut trainer = Trainer::new(network(), settings)
        .unwrap()
        .progress(Box::new(|progress| {
            seen.push((progress.epoch, progress.step))
        }));
    trainer.fit(&data(), &CrossEntropy, &mut []).unwrap();
    drop(trainer);
    assert_eq!(seen, [(0, 1), (0, 2), (1, 3), (1, 4)]);
}

/// Shows the validation another network than the one that is trained.
struct Disguise(Vec<Vec<f32>>);

impl TrainHook for Disguise {
    fn before_evaluation(&mut self, model: &mut dyn Parameters, _: &LiveSets) -> Result<()> {
        self.0.clear();
        model.visit_mut(&mut |tensor| {
            self.0.push(tensor.values.to_vec());
            tensor.values.fill(0.0);
            Ok(())
        })
    }

    fn after_evaluation(&mut self, model: &mut dyn Parameters) -> Result<()> {
        let mut shown = self.0.drain(..);
        model.visit_mut(&mut |tensor| {
            if let Some(values) = shown.next() {
                tensor.values.copy_from_slice(&values);
            }
            Ok(())
        })
    }
}

#[test]
fn validation_sees_what_the_hooks_show_and_training_does_not() {
    let validation = data();
    let run = |hooks: &mut [&mut dyn TrainHook]| {
        let trainer = Trainer::new(network(), settings(Optimizer::sgd(0.0))).unwrap();
        let mut trainer = trainer.validation(&validation, 1);
        let report = trainer.fit(&data(), &CrossEntropy, hooks).unwrap();
        (report.epochs[0].clone(), trainer.into_network())
    };
    let (plain, expected) = run(&mut []);
    let (disguised, found) = run(&mut [&mut Disguise(Vec::new())]);
    // All logits equal: the cross-entropy of a coin.
    let coin = disguised.validation_loss.unwrap();
    assert!((coin - std::f32::consts::LN_2).abs() < 1e-6, "{coin}");
    assert_ne!(plain.validation_loss, disguised.validation_loss);
    assert_eq!(values(&found), values(&expected));
}
