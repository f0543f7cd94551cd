//! The plainest way to train a [`Chain`].

use std::ops::Range;

use compress_core::Result;
use compress_core::differentiate::Differentiate;
use compress_core::hook::Run;
use compress_core::network::{Forward, Parameter};
use compress_core::ops::cross_entropy::cross_entropy;
use compress_core::train::{Batch, EpochReport, Fit, FitReport, Loss, Samples, TrainHook};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::Chain;

/// Samples of a batch.
const BATCH: usize = 16;
const LEARNING_RATE: f32 = 0.02;
const MOMENTUM: f32 = 0.9;

/// Stochastic gradient descent with momentum, batches of 16 in order.
pub struct Sgd {
    /// What it trains.
    pub network: Chain,
    /// How often [`Fit::fit`] goes through the data; 10 at first.
    pub epochs: usize,
    velocity: Vec<Vec<f32>>,
}

impl Sgd {
    /// Makes a trainer that has not trained yet.
    pub fn new(network: Chain) -> Self {
        let zeros = |p: &Parameter| vec![0.0; p.values().len()];
        let velocity = network.parameters.iter().map(zeros).collect();
        Sgd {
            network,
            epochs: 10,
            velocity,
        }
    }

    /// Takes the steps `steps` of a run of `total_steps`, and ends the run if its last step is among
    /// them. Returns the loss of each.
    ///
    /// # Errors
    /// Where the loss reads values that are no layers' outputs; those of the data, the loss and the
    /// hooks.
    pub fn run(
        &mut self,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
        steps: Range<usize>,
        total_steps: usize,
    ) -> Result<Vec<f32>> {
        let per_epoch = data.len().div_ceil(BATCH);
        let mut run = Run::resumed(hooks, steps.start, total_steps);
        let mut losses = Vec::new();
        for step in steps {
            let velocity = &mut self.velocity;
            losses.push(run.step(
                &mut self.network,
                LEARNING_RATE,
                |network, _| gradients(network, data, loss, step, per_epoch),
                |network, _| {
                    update(network, velocity);
                    Ok(())
                },
            )?);
        }
        if run.done() == total_steps {
            run.finish(&mut self.network)?;
        }
        Ok(losses)
    }
}

/// Leaves the gradients of the batch of step `step` in the network; returns its loss.
fn gradients(
    network: &mut Chain,
    data: &dyn Samples,
    loss: &dyn Loss,
    step: usize,
    per_epoch: usize,
) -> Result<f32> {
    let epoch = (step / per_epoch) as u64;
    let start = step % per_epoch * BATCH;
    let indices: Vec<usize> = (start..data.len().min(start + BATCH)).collect();
    let mut inputs = Array2::zeros((indices.len(), data.features()));
    data.fill(epoch, &indices, inputs.view_mut())?;
    // Empty where the samples have no labels.
    let labels = indices
        .iter()
        .filter_map(|&i| data.labels().get(i).copied());
    let labels: Vec<u32> = labels.collect();
    let batch = Batch {
        inputs: inputs.view(),
        labels: &labels,
        indices: &indices,
        epoch,
    };
    network.differentiate(loss, &batch)
}

fn update(network: &mut Chain, velocity: &mut [Vec<f32>]) {
    for (parameter, velocity) in network.parameters.iter_mut().zip(velocity) {
        let (values, gradient) = parameter.values_and_gradient_mut();
        for ((w, g), v) in values.iter_mut().zip(gradient).zip(velocity) {
            *v = MOMENTUM * *v - LEARNING_RATE * *g;
            *w += *v;
        }
    }
}

impl Fit for Sgd {
    fn network(&self) -> &dyn Forward {
        &self.network
    }

    fn fit(
        &mut self,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
    ) -> Result<FitReport> {
        let per_epoch = data.len().div_ceil(BATCH);
        let total = self.epochs * per_epoch;
        let losses = self.run(data, loss, hooks, 0..total, total)?;
        let epochs = losses.chunks(per_epoch).enumerate();
        let epochs = epochs.map(|(epoch, losses)| EpochReport {
            epoch,
            training_loss: losses.iter().sum::<f32>() / per_epoch as f32,
            ..EpochReport::default()
        });
        Ok(FitReport {
            epochs: epochs.collect(),
            stopped_early: false,
        })
    }
}

/// Mean cross-entropy with the labels.
pub struct CrossEntropy;

impl Loss for CrossEntropy {
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        Ok(cross_entropy(logits, batch.labels, batch.indices, gradient)? as f32)
    }
}

#[cfg(test)]
mod tests {
    use compress_core::Error;
    use compress_core::network::Activation;
    use compress_core::train::Value;

    use super::*;
    use crate::blobs;

    /// Cross-entropy, and half the square of all that the named layers give.
    struct Quiet(&'static [&'static str]);

    impl Loss for Quiet {
        fn reads_values(&self) -> Vec<&str> {
            self.0.to_vec()
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
            Error::check_shape("values", &[self.0.len()], &[values.len()])?;
            let mut loss = CrossEntropy.evaluate(logits, batch, gradient)?;
            for value in values {
                value.gradient.assign(&value.rows);
                loss += 0.5 * value.rows.iter().map(|y| y * y).sum::<f32>();
            }
            Ok(loss)
        }
    }

    #[test]
    fn what_a_loss_reads_of_layers_counts_in_the_gradients() {
        let data = blobs(6, 4, 3, 1);
        let batch = Batch {
            inputs: data.inputs(),
            labels: data.labels(),
            indices: &[0, 1, 2, 3, 4, 5],
            epoch: 0,
        };
        let loss = Quiet(&["layers.2", "layers.0"]);
        let mut network = Chain::with_activation(&[4, 5, 6, 3], Activation::Tanh, 1);
        network.differentiate(&loss, &batch).unwrap();
        let whole = network.clone();
        for (number, parameter) in whole.parameters.iter().enumerate() {
            for (i, &gradient) in parameter.gradient().iter().enumerate() {
                let at = |step: f32| {
                    let mut moved = whole.clone();
                    moved.parameters[number].values_mut()[i] += step;
                    moved.differentiate(&loss, &batch).unwrap()
                };
                let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
                let name = parameter.name();
                let bound = 5e-3 * slope.abs().max(1.0);
                assert!(
                    (gradient - slope).abs() < bound,
                    "{name}[{i}]: {gradient} {slope}"
                );
            }
        }
    }

    #[test]
    fn a_loss_that_reads_what_there_is_not_is_refused() {
        let mut trainer = Sgd::new(Chain::random(&[4, 5, 3], 1));
        let data = blobs(32, 4, 3, 1);
        let before = trainer.network.values();
        let error = trainer.fit(&data, &Quiet(&["layers.7"]), &mut []);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("layers.7"), "{error}");
        assert_eq!(trainer.network.values(), before);
    }
}
