//! The plainest way to train a [`Chain`].

use std::ops::Range;

use compress_core::differentiate::Differentiate;
use compress_core::hook::Run;
use compress_core::network::{Forward, Parameter};
use compress_core::ops::cross_entropy::cross_entropy;
use compress_core::train::{
    Batch, EpochReport, Fit, FitInSteps, FitReport, FitRun, Loss, NextBatch, Samples, TrainHook,
    fit_in_steps,
};
use compress_core::{Error, Result};
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
        let mut run = SgdRun::new(self, data, hooks, steps.start, total_steps);
        for step in steps {
            let indices = run.batch(step).1.to_vec();
            run.step(&indices, loss)?;
        }
        if run.run.done() == total_steps {
            run.run.finish(&mut run.trainer.network)?;
        }
        Ok(run.losses)
    }
}

/// A run of [`Sgd`].
struct SgdRun<'r, 'k> {
    trainer: &'r mut Sgd,
    data: &'r dyn Samples,
    run: Run<'r, 'k>,
    /// The samples in the order of a pass.
    order: Vec<usize>,
    losses: Vec<f32>,
}

impl<'r, 'k> SgdRun<'r, 'k> {
    fn new(
        trainer: &'r mut Sgd,
        data: &'r dyn Samples,
        hooks: &'r mut [&'k mut dyn TrainHook],
        done: usize,
        total_steps: usize,
    ) -> Self {
        SgdRun {
            trainer,
            data,
            run: Run::resumed(hooks, done, total_steps),
            order: (0..data.len()).collect(),
            losses: Vec::new(),
        }
    }

    /// Epoch and samples of a step.
    fn batch(&self, step: usize) -> (usize, &[usize]) {
        let per_epoch = self.order.len().div_ceil(BATCH);
        let start = step % per_epoch * BATCH;
        let end = self.order.len().min(start + BATCH);
        (step / per_epoch, &self.order[start..end])
    }
}

impl FitRun for SgdRun<'_, '_> {
    fn done(&self) -> usize {
        self.run.done()
    }

    fn total_steps(&self) -> usize {
        self.run.total_steps()
    }

    fn next_batch(&self) -> Option<NextBatch<'_>> {
        let (epoch, indices) = self.batch(self.done());
        let epoch = epoch as u64;
        (self.done() < self.total_steps()).then_some(NextBatch { epoch, indices })
    }

    fn step(&mut self, indices: &[usize], loss: &dyn Loss) -> Result<f32> {
        let (epoch, expected) = self.batch(self.done());
        Error::check_shape("samples of a step", &[expected.len()], &[indices.len()])?;
        let (data, velocity) = (self.data, &mut self.trainer.velocity);
        let loss = self.run.step(
            &mut self.trainer.network,
            LEARNING_RATE,
            |network, _| gradients(network, data, loss, indices, epoch as u64),
            |network, _| {
                update(network, velocity);
                Ok(())
            },
        )?;
        self.losses.push(loss);
        Ok(loss)
    }

    fn predict(&mut self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let network = &mut self.trainer.network;
        self.run
            .evaluate(network, |network| network.forward(inputs))
    }

    fn finish(self: Box<Self>) -> Result<FitReport> {
        let per_epoch = self.order.len().div_ceil(BATCH);
        self.run.finish(&mut self.trainer.network)?;
        Ok(report(&self.losses, per_epoch))
    }
}

fn report(losses: &[f32], per_epoch: usize) -> FitReport {
    let epochs = losses.chunks(per_epoch).enumerate();
    let epochs = epochs.map(|(epoch, losses)| EpochReport {
        epoch,
        training_loss: losses.iter().sum::<f32>() / per_epoch as f32,
        ..EpochReport::default()
    });
    FitReport {
        epochs: epochs.collect(),
        stopped_early: false,
    }
}

/// Leaves the gradients of the samples `indices` in the network; returns their loss.
fn gradients(
    network: &mut Chain,
    data: &dyn Samples,
    loss: &dyn Loss,
    indices: &[usize],
    epoch: u64,
) -> Result<f32> {
    let mut inputs = Array2::zeros((indices.len(), data.features()));
    data.fill(epoch, indices, inputs.view_mut())?;
    // Empty where the samples have no labels.
    let labels = indices
        .iter()
        .filter_map(|&i| data.labels().get(i).copied());
    let labels: Vec<u32> = labels.collect();
    let batch = Batch {
        inputs: inputs.view(),
        labels: &labels,
        indices,
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
        fit_in_steps(self, data, loss, hooks)
    }
}

impl FitInSteps for Sgd {
    fn begin<'r, 'k: 'r>(
        &'r mut self,
        data: &'r dyn Samples,
        values: &[&str],
        hooks: &'r mut [&'k mut dyn TrainHook],
    ) -> Result<Box<dyn FitRun + 'r>> {
        for value in values {
            self.network.architecture.position(value)?;
        }
        let total = self.epochs * data.len().div_ceil(BATCH);
        Ok(Box::new(SgdRun::new(self, data, hooks, 0, total)))
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
