//! One pass over the samples, step by step.

use compress_core::train::{Batch, Loss, Run, Samples};
use rayon::prelude::*;

use crate::backprop::{Backprop, Ends};
use crate::layers::CHUNK;
use crate::learner::{Learner, Workspace};
use crate::optim::Rates;
use crate::rows::all_finite;
use crate::state::State;
use crate::{Error, Mlp, Progress, Result, Trainer};

/// One pass over the samples.
pub(crate) struct Pass<'p> {
    pub(crate) data: &'p dyn Samples,
    pub(crate) loss: &'p dyn Loss,
    pub(crate) rates: Rates,
    /// Rows of a full batch.
    pub(crate) batch: usize,
    /// From 0.
    pub(crate) epoch: usize,
}

impl Pass<'_> {
    /// Trains on the samples in this `order`; returns the mean loss.
    pub(crate) fn run(
        &self,
        trainer: &mut Trainer<'_>,
        run: &mut Run<'_, '_>,
        order: &[usize],
        state: &mut State,
        workspace: &mut Workspace,
    ) -> Result<f32> {
        let (mut sum, mut last) = (0.0, 0.0);
        for indices in order.chunks(self.batch) {
            let rate = self.rates.at(self.epoch, run.done());
            let mut learner = Learner {
                network: &mut trainer.network,
                settings: &trainer.settings,
                optimizer: &mut state.optimizer,
                workspace,
            };
            let loss = self.step(&mut learner, run, indices, rate)?;
            sum += f64::from(loss) * indices.len() as f64;
            last = rate;
            if let Some(callback) = &mut trainer.progress {
                callback(&Progress {
                    epoch: self.epoch,
                    step: run.done(),
                    total_steps: run.total_steps(),
                    loss,
                    learning_rate: rate,
                });
            }
        }
        self.check_weights(&trainer.network, run.done(), last)?;
        Ok((sum / order.len() as f64) as f32)
    }

    /// Takes one step and returns the loss of the batch.
    ///
    /// The work between the hooks runs inside the thread pool as a whole (`rayon::scope`).
    /// Otherwise each of its many short parallel loops would wake the pool from outside, and wait
    /// for it.
    fn step(
        &self,
        learner: &mut Learner<'_>,
        run: &mut Run<'_, '_>,
        indices: &[usize],
        rate: f32,
    ) -> Result<f32> {
        let step = run.done();
        run.step(
            learner,
            rate,
            |learner, _| rayon::scope(|_| self.learn(learner, indices, step, rate)),
            |learner, _| rayon::scope(|_| learner.update(rate)),
        )
    }

    /// Leaves the gradients of the samples `indices` in the network; returns their loss.
    fn learn(
        &self,
        learner: &mut Learner<'_>,
        indices: &[usize],
        step: usize,
        rate: f32,
    ) -> Result<f32> {
        let Learner {
            network,
            settings,
            workspace: Workspace { whole, part },
            ..
        } = learner;
        let at = At {
            epoch: settings.first_epoch + self.epoch as u64,
            step,
            rate,
        };
        let loss = match part {
            Some(part) => {
                part.draw(network, step as u64);
                let (own, buffers) = (&mut part.network, &mut part.buffers);
                let loss = self.gradients(own, indices, at, buffers)?;
                part.give_gradients(network, &whole.sparse)?;
                loss
            }
            None => self.gradients(network, indices, at, whole)?,
        };
        // Where the gradient of a layer's product is not finite, that of its bias is not either. The
        // gradient of a weight can leave f32 alone; the weight is then not finite after the step, as
        // `check_weights` finds. The last layer's comes first in the backward pass.
        for pair in network.pairs().iter().rev() {
            if let Some(value) = pair.bias.gradient().iter().find(|g| !g.is_finite()) {
                let what = format!("the gradient of {}", pair.bias.name());
                return Err(self.diverged(step, &what, *value, rate));
            }
        }
        Ok(loss)
    }

    /// Writes the gradients of the samples `indices`; returns their loss.
    fn gradients(
        &self,
        network: &mut Mlp,
        indices: &[usize],
        At { epoch, step, rate }: At,
        buffers: &mut Backprop,
    ) -> Result<f32> {
        let rows = indices.len();
        match self
            .data
            .by_feature()
            .filter(|_| buffers.reads_features(self.loss))
        {
            Some(data) => buffers.read_features(network, data, epoch, indices)?,
            None => {
                self.data.fill(epoch, indices, buffers.inputs_mut(rows))?;
                check_inputs(buffers, indices)?;
                buffers.read_batch(network, rows, step as u64)?;
            }
        }
        let all = self.data.labels();
        let labels: Vec<u32> = indices
            .iter()
            .filter_map(|&i| all.get(i))
            .copied()
            .collect();
        buffers.forward(network, rows, step as u64)?;
        let Ends {
            inputs,
            logits,
            mut values,
        } = buffers.ends(rows);
        let batch = Batch {
            inputs,
            labels: &labels,
            indices,
            epoch,
        };
        let (logits, gradient) = (logits.rows, logits.gradient);
        let loss = self
            .loss
            .evaluate_with(logits, &mut values, &batch, gradient)?;
        if !loss.is_finite() {
            return Err(self.diverged(step, "the loss", loss, rate));
        }
        buffers.backward(network, rows)?;
        Ok(loss)
    }

    /// A loss may be finite while a weight no longer is: a ReLU that is off hides it. To look at all
    /// weights after each step would cost a pass over them.
    fn check_weights(&self, network: &Mlp, step: usize, rate: f32) -> Result<()> {
        for parameter in network.parameters() {
            if let Some(value) = parameter.values().iter().find(|v| !v.is_finite()) {
                return Err(self.diverged(step, parameter.name(), *value, rate));
            }
        }
        Ok(())
    }

    fn diverged(&self, step: usize, what: &str, value: f32, learning_rate: f32) -> Error {
        Error::Diverged {
            epoch: self.epoch,
            step,
            what: what.to_owned(),
            value,
            learning_rate,
        }
    }
}

/// When a batch is read.
#[derive(Clone, Copy)]
struct At {
    epoch: u64,
    step: usize,
    rate: f32,
}

/// Fails at the first value of the batch that is not finite, and names the sample.
fn check_inputs(buffers: &Backprop, indices: &[usize]) -> Result<()> {
    let inputs = buffers.inputs(indices.len());
    let values = inputs.as_slice().unwrap_or_default();
    if values.par_chunks(CHUNK).all(all_finite) {
        return Ok(());
    }
    let position = values.iter().position(|v| !v.is_finite()).unwrap_or(0);
    Err(Error::Sample {
        sample: indices[position / inputs.ncols()],
        feature: position % inputs.ncols(),
        value: values[position],
    })
}
