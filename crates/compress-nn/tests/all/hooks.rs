//! What a training step does in which order, and what it refuses.

use std::cell::RefCell;

use compress_core::network::{Activation, LayerRemoval, Network, Parameter};
use compress_core::train::{ArraySamples, Fit, Samples, Step, TrainHook};
use compress_core::{Error, Result};
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use ndarray::{Array2, ArrayViewMut2};

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
    fn write(&self, event: &str, network: &dyn Network) -> Result<()> {
        let weight = network.parameters()[2].values()[0];
        self.1
            .borrow_mut()
            .push((format!("{event} {}", self.0), weight));
        Ok(())
    }
}

impl TrainHook for Log<'_> {
    fn before_forward(&mut self, network: &mut dyn Network, _: &Step) -> Result<()> {
        self.write("before", network)
    }

    fn after_backward(&mut self, network: &mut dyn Network, _: &Step) -> Result<()> {
        self.write("backward", network)
    }

    fn after_step(&mut self, network: &mut dyn Network, _: &Step) -> Result<()> {
        self.write("step", network)
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

/// Replaces the gradients by ones.
struct Ones;

impl TrainHook for Ones {
    fn after_backward(&mut self, network: &mut dyn Network, _: &Step) -> Result<()> {
        for parameter in network.parameters_mut() {
            parameter.gradient_mut().fill(1.0);
        }
        Ok(())
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

type Edit = fn(&mut dyn Network) -> Result<()>;

/// Edits the network in the second step, at one of the two times that a hook has.
struct Reshape {
    edit: Edit,
    late: bool,
}

impl TrainHook for Reshape {
    fn before_forward(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        match step.step == 1 && !self.late {
            true => (self.edit)(network),
            false => Ok(()),
        }
    }

    fn after_backward(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        match step.step == 1 && self.late {
            true => (self.edit)(network),
            false => Ok(()),
        }
    }
}

#[test]
fn a_hook_that_reshapes_the_network_is_an_error() {
    let edits: [Edit; 5] = [
        |network| network.remove_neurons(0, &[true, true, false, true]),
        |network| network.remove_neurons(0, &[true, false, false, false]),
        |network| network.remove_inputs(&[true, false, true]),
        |network| network.remove_layer(0, LayerRemoval::Fold),
        |network| {
            *network.parameters_mut()[1] = Parameter::bias("layers.0.bias", vec![0.0; 9]);
            Ok(())
        },
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        for (late, batchwise) in [(false, false), (true, false), (false, true), (true, true)] {
            for optimizer in [Optimizer::sgd(0.0), Optimizer::adam()] {
                let settings = Settings {
                    epochs: 3,
                    dropout_hidden: 0.3,
                    batchwise_dropout: batchwise,
                    ..settings(optimizer)
                };
                let mut trainer = Trainer::new(network(), settings).unwrap();
                let result =
                    trainer.fit(&data(), &CrossEntropy, &mut [&mut Reshape { edit, late }]);
                let text = result.unwrap_err().to_string();
                assert!(
                    text.contains("changed the shape"),
                    "edit {index}, late: {late}: {text}"
                );
            }
        }
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
    fn before_evaluation(&mut self, network: &mut dyn Network) -> Result<()> {
        self.0.clear();
        for parameter in network.parameters_mut() {
            self.0.push(parameter.values().to_vec());
            parameter.values_mut().fill(0.0);
        }
        Ok(())
    }

    fn after_evaluation(&mut self, network: &mut dyn Network) -> Result<()> {
        for (parameter, values) in network.parameters_mut().into_iter().zip(&self.0) {
            parameter.values_mut().copy_from_slice(values);
        }
        Ok(())
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
    let values = |n: &Mlp| {
        n.parameters()
            .iter()
            .flat_map(|p| p.values().to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&found), values(&expected));
}
