//! Batchwise dropout: the loss and the gradients of the network whose dropped neurons are zeroed.

use std::sync::Mutex;

use compress_core::Result;
use compress_core::network::Activation;
use compress_core::train::{ArraySamples, Batch, Fit, Loss, TrainHook, Training};
use compress_nn::{Init, Mlp, Optimizer, Settings, Trainer};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis};

use crate::support::{Held, mask};

const WIDTHS: [usize; 4] = [6, 10, 7, 3];
/// Of the hidden layers at a rate of 0.3: 3 of 10 and 2 (2.1) of 7.
const DROPPED: [usize; 2] = [3, 2];

/// Half the sum of squares, so that the gradient of the logits is the logits. Keeps the logits of
/// each step, sample by sample.
#[derive(Default)]
struct Squares(Mutex<Vec<Array2<f32>>>);

impl Loss for Squares {
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        gradient.assign(&logits);
        let mut by_sample = logits.to_owned();
        for (row, &sample) in logits.rows().into_iter().zip(batch.indices) {
            by_sample.row_mut(sample).assign(&row);
        }
        self.0.lock().unwrap().push(by_sample);
        Ok(0.5 * logits.iter().map(|y| y * y).sum::<f32>())
    }
}

/// Keeps the gradients of each step.
#[derive(Default)]
struct Record(Vec<Vec<Array2<f32>>>);

impl TrainHook for Record {
    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        let mut gradients = Vec::new();
        training.model.visit_gradients(&mut |gradient| {
            gradients.push(gradient.as_ref().matrix()?.to_owned());
            Ok(())
        })?;
        self.0.push(gradients);
        Ok(())
    }
}

fn inputs() -> Array2<f32> {
    let value = |(r, c)| ((r * 7 + c * 3) % 11) as f32 / 5.0 - 1.0 + 0.03 * c as f32;
    Array2::from_shape_fn((8, WIDTHS[0]), value)
}

fn data() -> ArraySamples {
    ArraySamples::new(inputs(), vec![0; 8]).unwrap()
}

fn network() -> Mlp {
    let init = Init::XavierNormal;
    let mut network = Mlp::new(&WIDTHS, Activation::Tanh, init, 5, "test").unwrap();
    for parameter in network.parameters_mut() {
        let values = parameter.values_mut().iter_mut();
        values.for_each(|value| *value += 0.05);
    }
    network
}

/// So slow that the weights stay as they are for all that can be told.
fn settings(steps: usize) -> Settings {
    Settings {
        epochs: steps,
        batch_size: 8,
        learning_rate: 1e-12,
        optimizer: Optimizer::sgd(0.0),
        dropout_hidden: 0.3,
        batchwise_dropout: true,
        ..Settings::default()
    }
}

/// What each step's logits and gradients were.
fn steps(network: &Mlp, count: usize) -> Vec<(Array2<f32>, Vec<Array2<f32>>)> {
    let (loss, mut record) = (Squares::default(), Record::default());
    let mut trainer = Trainer::new(network.clone(), settings(count)).unwrap();
    trainer.fit(&data(), &loss, &mut [&mut record]).unwrap();
    let logits = loss.0.into_inner().unwrap();
    logits.into_iter().zip(record.0).collect()
}

/// Logits and gradients of the network whose neurons are multiplied by `masks`, written out.
fn masked(
    network: &Mlp,
    x: &Array2<f64>,
    masks: &[Array1<f64>],
) -> (Array2<f64>, Vec<Array2<f64>>) {
    let parameters: Vec<Array2<f64>> = network
        .parameters()
        .iter()
        .map(|p| p.matrix().mapv(f64::from))
        .collect();
    let (mut inputs, mut x) = (Vec::new(), x.clone());
    for (layer, pair) in parameters.chunks_exact(2).enumerate() {
        let y = x.dot(&pair[0].t()) + &pair[1];
        inputs.push(x);
        x = match masks.get(layer) {
            Some(mask) => y.mapv(f64::tanh) * mask,
            None => y,
        };
    }
    let (logits, mut dy) = (x.clone(), x);
    let mut gradients = Vec::new();
    for layer in (0..inputs.len()).rev() {
        let bias = dy.sum_axis(Axis(0)).insert_axis(Axis(0));
        gradients.splice(0..0, [dy.t().dot(&inputs[layer]), bias]);
        if layer > 0 {
            let mask = &masks[layer - 1];
            // Of what passes, the tangent itself is what the mask has not scaled.
            let tangent = &inputs[layer] / &mask.mapv(|m| if m == 0.0 { 1.0 } else { m });
            dy = dy.dot(&parameters[2 * layer]) * mask * tangent.mapv(|t| 1.0 - t * t);
        }
    }
    (logits, gradients)
}

#[test]
fn a_step_is_that_of_the_network_without_what_is_dropped() {
    let network = network();
    let x = inputs().mapv(f64::from);
    let mut seen = [(); 2].map(|()| std::collections::BTreeSet::new());
    for (logits, gradients) in steps(&network, 20) {
        let mut masks = Vec::new();
        for (layer, dropped) in DROPPED.into_iter().enumerate() {
            let bias = gradients[2 * layer + 1].row(0);
            let off: Vec<usize> = (0..bias.len()).filter(|&i| bias[i] == 0.0).collect();
            assert_eq!(off.len(), dropped, "layer {layer}");
            let scale = bias.len() as f64 / (bias.len() - dropped) as f64;
            masks.push(bias.mapv(|g| if g == 0.0 { 0.0 } else { scale }));
            seen[layer].insert(off);
        }
        let (expected, expected_gradients) = masked(&network, &x, &masks);
        let near = |found: &Array2<f32>, expected: &Array2<f64>| {
            let worst = found
                .iter()
                .zip(expected)
                .map(|(f, e)| (f64::from(*f) - e).abs())
                .fold(0.0, f64::max);
            assert!(worst < 1e-5, "{found} is not {expected}");
        };
        near(&logits, &expected);
        for (found, expected) in gradients.iter().zip(&expected_gradients) {
            near(found, expected);
        }
    }
    // There are 120 and 21 ways to drop 3 of 10 and 2 of 7.
    let different = seen.map(|draws| draws.len());
    assert!(different[0] > 12 && different[1] > 8, "{different:?}");
}

/// Which biases have no gradient, in each of 20 steps.
fn dropped(network: &Mlp, settings: Settings) -> Vec<Vec<Vec<usize>>> {
    let mut record = Record::default();
    let mut trainer = Trainer::new(network.clone(), settings).unwrap();
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut record];
    trainer.fit(&data(), &Squares::default(), hooks).unwrap();
    let off = |bias: &Array2<f32>| (0..bias.len()).filter(|&i| bias[(0, i)] == 0.0).collect();
    let steps = record.0.iter();
    let biases = steps.map(|step| step.iter().skip(1).step_by(2).map(off).collect());
    biases.collect()
}

#[test]
fn draws_differ_by_seed_stream_epoch_and_layer() {
    let init = Init::XavierNormal;
    let network = Mlp::new(&[6, 9, 9, 3], Activation::Tanh, init, 5, "test").unwrap();
    let base = settings(20);
    let first = dropped(&network, base.clone());
    assert_eq!(first, dropped(&network, base.clone()));
    for other in [
        Settings {
            seed: 1,
            ..base.clone()
        },
        Settings {
            stream: "other".into(),
            ..base.clone()
        },
        Settings {
            first_epoch: 1,
            ..base.clone()
        },
    ] {
        assert_ne!(first, dropped(&network, other));
    }
    assert!(first.iter().any(|step| step[0] != step[1]));
}

#[test]
fn nothing_dropped_is_training_without_it() {
    let of = |rate, batchwise| {
        let settings = Settings {
            dropout_hidden: rate,
            batchwise_dropout: batchwise,
            learning_rate: 0.1,
            ..settings(3)
        };
        let mut trainer = Trainer::new(network(), settings).unwrap();
        trainer.fit(&data(), &Squares::default(), &mut []).unwrap();
        trainer.into_network()
    };
    assert_eq!(of(0.0, true), of(0.0, false));
    // 0.04 of 10 and of 7 neurons is nearest to none.
    assert_eq!(of(0.04, true), of(0.0, false));
    assert_ne!(of(0.3, true), of(0.0, false));
    // One layer has no hidden neurons.
    let one = |batchwise_dropout| {
        let settings = Settings {
            batchwise_dropout,
            learning_rate: 0.1,
            ..settings(3)
        };
        let network = Mlp::new(&[6, 3], Activation::Tanh, Init::XavierNormal, 5, "one").unwrap();
        let mut trainer = Trainer::new(network, settings).unwrap();
        trainer.fit(&data(), &Squares::default(), &mut []).unwrap();
        trainer.into_network()
    };
    assert_eq!(one(true), one(false));
}

#[test]
fn one_neuron_is_left_at_any_rate() {
    let settings = Settings {
        dropout_hidden: 0.999,
        ..settings(2)
    };
    let mut record = Record::default();
    let mut trainer = Trainer::new(network(), settings).unwrap();
    let hooks: &mut [&mut dyn TrainHook] = &mut [&mut record];
    trainer.fit(&data(), &Squares::default(), hooks).unwrap();
    for gradients in record.0 {
        for bias in [&gradients[1], &gradients[3]] {
            assert_eq!(bias.iter().filter(|g| **g != 0.0).count(), 1);
        }
    }
}

#[test]
fn what_is_pruned_stays_zero_and_has_no_gradient() {
    let (before, data) = (network(), data());
    for share in [10, 80] {
        let mut held = Held(mask(&before, |_, i| i * 37 % 100 < share));
        let marks = held.0.tensors.iter().map(|tensor| tensor.keep.clone());
        let marks: Vec<Vec<bool>> = marks.collect();
        let settings = Settings {
            learning_rate: 0.01,
            optimizer: Optimizer::adam(),
            ..settings(10)
        };
        let mut record = Record::default();
        let mut trainer = Trainer::new(before.clone(), settings).unwrap();
        let hooks: &mut [&mut dyn TrainHook] = &mut [&mut record, &mut held];
        trainer.fit(&data, &Squares::default(), hooks).unwrap();
        for gradients in record.0 {
            for (gradient, live) in gradients.iter().step_by(2).zip(&marks) {
                let dead = gradient.iter().zip(live).filter(|(_, live)| !**live);
                assert!(dead.clone().count() > 0 && dead.into_iter().all(|(g, _)| *g == 0.0));
            }
        }
        let trained = trainer.into_network();
        let mut changed = 0;
        for (index, live) in marks.iter().enumerate() {
            let (old, new) = (before.parameters(), trained.parameters());
            let values = old[2 * index].values().iter().zip(new[2 * index].values());
            for ((old, new), &live) in values.zip(live) {
                assert_eq!(live, *new != 0.0);
                changed += usize::from(live && old != new);
            }
        }
        let live = marks.iter().flatten().filter(|&&live| live).count();
        assert!(changed > live / 2, "{changed} of {live}");
    }
}
