//! The plainest way to train a [`Chain`].

use std::ops::Range;

use compress_core::Result;
use compress_core::network::{Network, Parameter};
use compress_core::ops::cross_entropy::cross_entropy;
use compress_core::train::{Batch, EpochReport, Fit, FitReport, Loss, Samples, Step, TrainHook};
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

    /// Takes the steps `steps` of a run of `total_steps`. Returns the loss of each.
    ///
    /// # Errors
    /// Those of the data, the loss and the hooks.
    pub fn run(
        &mut self,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
        steps: Range<usize>,
        total_steps: usize,
    ) -> Result<Vec<f32>> {
        let per_epoch = data.len().div_ceil(BATCH);
        let mut losses = Vec::new();
        for step in steps {
            let epoch = step / per_epoch;
            let now = Step {
                epoch,
                step,
                total_steps,
                learning_rate: LEARNING_RATE,
                live_only: false,
            };
            let start = step % per_epoch * BATCH;
            let indices: Vec<usize> = (start..data.len().min(start + BATCH)).collect();
            losses.push(self.take_step(data, loss, hooks, &indices, &now)?);
        }
        Ok(losses)
    }

    fn take_step(
        &mut self,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
        indices: &[usize],
        now: &Step,
    ) -> Result<f32> {
        let epoch = now.epoch as u64;
        let mut inputs = Array2::zeros((indices.len(), data.features()));
        data.fill(epoch, indices, inputs.view_mut())?;
        // Empty where the samples have no labels.
        let labels = indices
            .iter()
            .filter_map(|&i| data.labels().get(i).copied());
        let labels: Vec<u32> = labels.collect();
        for hook in hooks.iter_mut() {
            hook.before_forward(&mut self.network, now)?;
        }
        let all = self.network.activations(inputs.view())?;
        let logits = &all[all.len() - 1];
        let mut gradient = Array2::zeros(logits.raw_dim());
        let batch = Batch {
            inputs: inputs.view(),
            labels: &labels,
            indices,
            epoch,
        };
        let loss = loss.evaluate(logits.view(), &batch, gradient.view_mut())?;
        self.network.backward(&all, gradient)?;
        for hook in hooks.iter_mut().rev() {
            hook.after_backward(&mut self.network, now)?;
        }
        self.update();
        for hook in hooks.iter_mut() {
            hook.after_step(&mut self.network, now)?;
        }
        Ok(loss)
    }

    fn update(&mut self) {
        for (parameter, velocity) in self.network.parameters.iter_mut().zip(&mut self.velocity) {
            let (values, gradient) = parameter.values_and_gradient_mut();
            for ((w, g), v) in values.iter_mut().zip(gradient).zip(velocity) {
                *v = MOMENTUM * *v - LEARNING_RATE * *g;
                *w += *v;
            }
        }
    }
}

impl Fit for Sgd {
    fn network(&self) -> &dyn Network {
        &self.network
    }

    fn network_mut(&mut self) -> &mut dyn Network {
        &mut self.network
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
