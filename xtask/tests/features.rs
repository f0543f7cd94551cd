//! The MLP's trainer learns from hints: its values are the loss's, its checkpoints hold the
//! regressor.

use compress_core::network::Activation;
use compress_core::train::{ArraySamples, Fit, TrainHook, Training};
use compress_core::{Error, Result};
use compress_distill::features::{
    FeatureDistillation, FeatureTeacher, Hint, Regressor, RegressorOptions,
};
use compress_nn::{Init, Mlp, Settings, Trainer};
use ndarray::Array2;

fn mlp(widths: &[usize], seed: u64) -> Mlp {
    Mlp::new(widths, Activation::Relu, Init::HeUniform, seed, "features").unwrap()
}

fn data() -> ArraySamples {
    let inputs = Array2::from_shape_fn((96, 9), |(i, j)| {
        ((i * 7 + j * 3 + i * j) % 11) as f32 / 5.0 - 1.0
    });
    ArraySamples::new(inputs, Vec::new()).unwrap()
}

fn regressor(seed: u64) -> Regressor {
    let options = RegressorOptions {
        seed,
        ..RegressorOptions::default()
    };
    Regressor::new(8, 20, options).unwrap()
}

fn trainer<'a>() -> Trainer<'a> {
    let settings = Settings {
        epochs: 12,
        batch_size: 20,
        learning_rate: 0.01,
        ..Settings::default()
    };
    Trainer::new(mlp(&[9, 8, 5, 3], 2), settings).unwrap()
}

/// Ends a run at a step.
struct Interrupt(Option<usize>);

impl TrainHook for Interrupt {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        match self.0 == Some(training.step.step) {
            true => Err(Error::invalid("the run", "interrupted", "whole")),
            false => Ok(()),
        }
    }
}

fn values(network: &Mlp) -> Vec<Vec<f32>> {
    let parameters = network.parameters().into_iter();
    parameters.map(|p| p.values().to_vec()).collect()
}

#[test]
fn the_mlp_learns_from_a_hint_and_resumes_to_the_same_bits() {
    let (teacher, data) = (mlp(&[9, 20, 3], 1), data());
    let hint = |regressor: &Regressor| {
        let hint = Box::new(Hint::through(regressor.clone()));
        let source = FeatureTeacher::OnTheFly(&teacher, "layers.0");
        FeatureDistillation::new(hint, "layers.0", source)
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");

    let mut own = regressor(1);
    let (mut whole, loss) = (trainer(), hint(&own));
    let before = values(&trainer().into_network());
    let report = whole.fit(&data, &loss, &mut [&mut own, &mut Interrupt(None)]);
    let losses: Vec<f32> = report
        .unwrap()
        .epochs
        .iter()
        .map(|e| e.training_loss)
        .collect();
    assert!(losses[11] < 0.5 * losses[0], "{losses:?}");

    let mut first = regressor(1);
    let (mut cut, loss) = (trainer().checkpoint(&path, 4), hint(&first));
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut first, &mut Interrupt(Some(23))];
    assert!(cut.fit(&data, &loss, hooks).is_err());
    let mut second = regressor(2);
    let (mut resumed, loss) = (trainer().resume(&path), hint(&second));
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut second, &mut Interrupt(None)];
    resumed.fit(&data, &loss, hooks).unwrap();

    assert_eq!(own.save().unwrap(), second.save().unwrap());
    let (whole, resumed) = (
        values(&whole.into_network()),
        values(&resumed.into_network()),
    );
    assert_eq!(whole, resumed);
    // Layers behind the guided one, `layers.0`, have no gradient.
    assert_ne!(whole[0], before[0]);
    assert_eq!(whole[2..], before[2..]);
}
