//! The plainest way to train a [`Chain`].

use std::ops::Range;

use compress_core::Result;
use compress_core::hook::Run;
use compress_core::network::{Forward, Parameter};
use compress_core::ops::cross_entropy::cross_entropy;
use compress_core::train::{
    Batch, EpochReport, Fit, FitReport, Loss, Samples, TrainHook, no_values,
};
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
    /// Where the loss reads more of the network than the logits; those of the data, the loss and
    /// the hooks.
    pub fn run(
        &mut self,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
        steps: Range<usize>,
        total_steps: usize,
    ) -> Result<Vec<f32>> {
        no_values(loss)?;
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
    let all = network.activations(inputs.view())?;
    let logits = &all[all.len() - 1];
    let mut gradient = Array2::zeros(logits.raw_dim());
    let batch = Batch {
        inputs: inputs.view(),
        labels: &labels,
        indices: &indices,
        epoch,
    };
    let loss = loss.evaluate(logits.view(), &batch, gradient.view_mut())?;
    network.backward(&all, gradient)?;
    Ok(loss)
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
    use super::*;
    use crate::blobs;

    /// Reads what the first layer gives.
    struct Hint;

    impl Loss for Hint {
        fn reads_values(&self) -> Vec<&str> {
            vec!["layers.0"]
        }

        fn evaluate(
            &self,
            _: ArrayView2<'_, f32>,
            _: &Batch<'_>,
            _: ArrayViewMut2<'_, f32>,
        ) -> Result<f32> {
            panic!("it was to be refused");
        }
    }

    #[test]
    fn a_loss_that_reads_values_is_refused() {
        let mut trainer = Sgd::new(Chain::random(&[4, 5, 3], 1));
        let data = blobs(32, 4, 3, 1);
        let error = trainer.fit(&data, &Hint, &mut []).unwrap_err().to_string();
        assert!(error.contains("layers.0"), "{error}");
        trainer.fit(&data, &CrossEntropy, &mut []).unwrap();
    }
}
