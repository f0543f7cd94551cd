//! A loss that reads what layers give: what it is shown, what it may write, and when it is refused.

use std::sync::Mutex;

use compress_core::hook::Pruned;
use compress_core::mask::Mask;
use compress_core::network::Activation;
use compress_core::observe::{Place, Tap, Tapped};
use compress_core::train::{
    ArraySamples, Batch, Fit, Loss, TrainHook, Training, Value, given, no_values,
};
use compress_core::{Error, Result};
use compress_nn::{CrossEntropy, Init, Mlp, Optimizer, Settings, Trainer};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, array};

use crate::support::{mask, values};

const ROWS: usize = 24;

fn network() -> Mlp {
    let mut network = Mlp::new(&[9, 12, 10, 3], Activation::Relu, Init::HeUniform, 3, "v").unwrap();
    for parameter in network.parameters_mut() {
        parameter.values_mut().iter_mut().for_each(|v| *v += 0.05);
    }
    network
}

fn inputs() -> Array2<f32> {
    Array2::from_shape_fn((ROWS, 9), |(i, j)| {
        ((i * 7 + j * 3) % 11) as f32 / 5.0 - 1.0
    })
}

fn data() -> ArraySamples {
    ArraySamples::new(inputs(), (0..ROWS as u32).map(|i| i % 3).collect()).unwrap()
}

fn settings() -> Settings {
    Settings {
        epochs: 3,
        // The last batch is a part of one.
        batch_size: 10,
        optimizer: Optimizer::sgd(0.9),
        learning_rate: 0.05,
        ..Settings::default()
    }
}

/// Cross-entropy, which keeps the values that it is shown, sample by sample, and whose gradient
/// with respect to each of them is `push` everywhere.
struct Reads {
    names: Vec<&'static str>,
    push: f32,
    seen: Mutex<Vec<Vec<Array2<f32>>>>,
}

impl Reads {
    fn new(names: &[&'static str], push: f32) -> Self {
        let (names, seen) = (names.to_vec(), Mutex::default());
        Reads { names, push, seen }
    }
}

impl Loss for Reads {
    fn reads_inputs(&self) -> bool {
        false
    }

    fn reads_values(&self) -> Vec<&str> {
        self.names.clone()
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        self.evaluate_with(logits, &mut [], batch, gradient)
    }

    fn evaluate_with(
        &self,
        logits: ArrayView2<'_, f32>,
        values: &mut [Value<'_>],
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        let counts = ([self.names.len()], [values.len()]);
        Error::check_shape("values that the loss reads", &counts.0, &counts.1)?;
        let mut seen = Vec::new();
        for value in values {
            assert_eq!(value.rows.dim(), value.gradient.dim());
            assert!(value.rows.is_standard_layout() && value.gradient.is_standard_layout());
            value.gradient.fill(self.push);
            let mut by_sample = Array2::zeros((ROWS, value.rows.ncols()));
            for (row, &sample) in value.rows.rows().into_iter().zip(batch.indices) {
                by_sample.row_mut(sample).assign(&row);
            }
            seen.push(by_sample);
        }
        self.seen.lock().unwrap().push(seen);
        CrossEntropy.evaluate(logits, batch, gradient)
    }
}

/// Shows a mask from the second step on.
struct Later(Mask, u64);

impl TrainHook for Later {
    fn after_step(&mut self, _: &mut Training<'_>) -> Result<()> {
        self.1 = 1;
        Ok(())
    }

    fn pruned(&self) -> Option<Pruned<'_>> {
        (self.1 > 0).then_some(Pruned {
            mask: &self.0,
            revision: self.1,
        })
    }
}

fn train(settings: Settings, loss: &dyn Loss, every: usize) -> Result<Vec<f32>> {
    let mut later = Later(mask(&network(), |_, i| i % every == 0), 0);
    let mut trainer = Trainer::new(network(), settings).unwrap();
    trainer.fit(&data(), loss, &mut [&mut later])?;
    Ok(values(&trainer.into_network()))
}

/// Keeps what layers give.
#[derive(Default)]
struct Given(Vec<(String, Array2<f32>)>);

impl Tap for Given {
    fn wants(&self, place: Place<'_>) -> bool {
        matches!(place, Place::Value(_))
    }

    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        self.0.push((place.name().to_owned(), rows.to_owned()));
        Ok(())
    }
}

#[test]
fn it_is_shown_what_a_tap_is_shown_in_its_own_order() {
    let names = ["layers.2", "layers.0", "layers.1"];
    // Of 10 weights one is live: sparse layers, whose activations lie feature by feature.
    for every in [1, 10] {
        let mut expected = network();
        mask(&network(), |_, i| i % every == 0)
            .apply(&mut expected)
            .unwrap();
        let mut tap = Given::default();
        expected.run_tapped(inputs().view(), &mut tap).unwrap();
        let loss = Reads::new(&names, 0.0);
        let settings = Settings {
            epochs: 1,
            batch_size: ROWS,
            ..settings()
        };
        let mut trainer = Trainer::new(expected, settings).unwrap();
        let mut later = Later(mask(&network(), |_, i| i % every == 0), 1);
        trainer.fit(&data(), &loss, &mut [&mut later]).unwrap();
        let seen = loss.seen.into_inner().unwrap().remove(0);
        for (name, seen) in names.iter().zip(seen) {
            let (_, rows) = tap.0.iter().find(|(known, _)| known == name).unwrap();
            assert_eq!(seen, rows, "{name}, one of {every}");
        }
    }
}

#[test]
fn looking_alone_changes_no_bit_and_a_gradient_does() {
    for dropout in [0.0, 0.4] {
        for every in [1, 2, 10] {
            let settings = Settings {
                dropout_input: dropout,
                dropout_hidden: dropout,
                ..settings()
            };
            let run = |loss: &dyn Loss| train(settings.clone(), loss, every).unwrap();
            let plain = run(&CrossEntropy);
            let look = Reads::new(&["layers.1", "layers.0"], 0.0);
            assert_eq!(run(&look), plain, "dropout {dropout}, one of {every}");
            for name in ["layers.0", "layers.1", "layers.2"] {
                let push = Reads::new(&[name], 0.1);
                assert_ne!(
                    run(&push),
                    plain,
                    "{name}, dropout {dropout}, one of {every}"
                );
            }
        }
    }
}

#[test]
fn behind_dropout_it_is_shown_what_the_layer_passes_on() {
    let settings = Settings {
        dropout_hidden: 0.25,
        ..settings()
    };
    let loss = Reads::new(&["layers.0"], 0.0);
    let mut network = network();
    // All 12 neurons of the first layer give 1.
    let mut parameters = network.parameters_mut();
    parameters[0].values_mut().fill(0.0);
    parameters[1].values_mut().fill(1.0);
    let first_batch = Settings {
        epochs: 1,
        batch_size: ROWS,
        ..settings
    };
    let mut trainer = Trainer::new(network, first_batch).unwrap();
    trainer.fit(&data(), &loss, &mut []).unwrap();
    let seen = loss.seen.into_inner().unwrap().remove(0).remove(0);
    let dropped = seen.iter().filter(|y| **y == 0.0).count();
    assert!(seen.iter().all(|&y| y == 0.0 || y == 1.0 / 0.75));
    // Five standard deviations of 288 draws.
    assert!((dropped as f32 - 72.0).abs() < 37.0, "{dropped}");
}

/// What is fitted and fails before the first step.
fn refused(settings: Settings, names: &[&'static str]) -> String {
    let loss = Reads::new(names, 0.0);
    let error = train(settings, &loss, 1).unwrap_err();
    assert!(
        loss.seen.into_inner().unwrap().is_empty(),
        "a step was taken"
    );
    error.to_string()
}

#[test]
fn what_cannot_be_shown_is_refused_before_the_first_step() {
    for name in [
        "layers.3",
        "layers.0.product",
        "inputs",
        "layers.0.weight",
        "",
    ] {
        let text = refused(settings(), &["layers.0", name]);
        assert!(text.contains(&format!("is {name},")), "{text}");
        assert!(text.contains("layers.0, layers.1, layers.2"), "{text}");
    }
    let text = refused(settings(), &["layers.1", "layers.0", "layers.1"]);
    assert!(text.contains("layers.1") && text.contains("once"), "{text}");
    let batchwise = Settings {
        dropout_hidden: 0.3,
        batchwise_dropout: true,
        ..settings()
    };
    let text = refused(batchwise.clone(), &["layers.1"]);
    assert!(text.contains("batchwise_dropout"), "{text}");
    // Nothing is dropped then.
    let whole = Settings {
        dropout_hidden: 0.0,
        ..batchwise
    };
    train(whole, &Reads::new(&["layers.1"], 0.0), 1).unwrap();
}

#[test]
fn without_its_values_it_fails_and_others_need_none() {
    let logits = array![[1.0, 2.0]];
    let mut gradient = Array2::zeros((1, 2));
    let batch = Batch {
        inputs: logits.view(),
        labels: &[1],
        indices: &[0],
        epoch: 0,
    };
    let reads = Reads::new(&["layers.0", "layers.1"], 0.0);
    let error = reads
        .evaluate(logits.view(), &batch, gradient.view_mut())
        .unwrap_err();
    assert!(
        error.to_string().contains("values that the loss reads"),
        "{error}"
    );
    let error = no_values(&reads).unwrap_err();
    assert!(error.to_string().contains("layers.0, layers.1"), "{error}");
    no_values(&CrossEntropy).unwrap();
    let plain = CrossEntropy
        .evaluate(logits.view(), &batch, gradient.view_mut())
        .unwrap();
    let expected = gradient.clone();
    let with = CrossEntropy.evaluate_with(logits.view(), &mut [], &batch, gradient.view_mut());
    assert_eq!((with.unwrap(), gradient), (plain, expected));
}

#[test]
fn values_are_counted() {
    let rows = array![[1.0]];
    let mut gradients = [array![[0.0]], array![[0.0]]];
    let mut values: Vec<Value<'_>> = gradients
        .iter_mut()
        .map(|gradient| Value {
            rows: rows.view(),
            gradient: gradient.view_mut(),
        })
        .collect();
    let [_, second] = given(&mut values).unwrap();
    second.gradient.fill(3.0);
    assert!(given::<1>(&mut values).is_err() && given::<3>(&mut values).is_err());
    assert_eq!(gradients[1], array![[3.0]]);
}
