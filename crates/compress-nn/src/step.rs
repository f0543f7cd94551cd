//! One training step.

use compress_core::train::{Batch, Loss, Run, Samples};
use rayon::prelude::*;

use crate::backprop::{Backprop, Ends};
use crate::layers::CHUNK;
use crate::learner::{Learner, Workspace};
use crate::rows::all_finite;
use crate::{Error, Mlp, Result};

/// When a step is taken.
#[derive(Clone, Copy)]
pub(crate) struct At {
    /// From 0.
    pub(crate) epoch: usize,
    /// The epoch that the samples are read in.
    pub(crate) drawn_in: u64,
    /// Steps done before, over all epochs.
    pub(crate) step: usize,
    /// The learning rate.
    pub(crate) rate: f32,
}

/// A training step: what it learns from.
pub(crate) struct Step<'p> {
    pub(crate) data: &'p dyn Samples,
    pub(crate) loss: &'p dyn Loss,
    pub(crate) at: At,
}

impl Step<'_> {
    /// Takes one step and returns the loss of the batch.
    ///
    /// The work between the hooks runs inside the thread pool as a whole (`rayon::scope`).
    /// Otherwise each of its many short parallel loops would wake the pool from outside, and wait
    /// for it.
    pub(crate) fn take(
        &self,
        learner: &mut Learner<'_>,
        run: &mut Run<'_, '_>,
        indices: &[usize],
    ) -> Result<f32> {
        let rate = self.at.rate;
        run.step(
            learner,
            rate,
            |learner, _| rayon::scope(|_| self.learn(learner, indices)),
            |learner, _| rayon::scope(|_| learner.update(rate)),
        )
    }

    /// Leaves the gradients of the samples `indices` in the network; returns their loss.
    fn learn(&self, learner: &mut Learner<'_>, indices: &[usize]) -> Result<f32> {
        let Learner {
            network,
            workspace: Workspace { whole, part },
            ..
        } = learner;
        let loss = match part {
            Some(part) => {
                part.draw(network, self.at.step as u64);
                let (own, buffers) = (&mut part.network, &mut part.buffers);
                let loss = self.gradients(own, indices, buffers)?;
                part.give_gradients(network, &whole.sparse)?;
                loss
            }
            None => self.gradients(network, indices, whole)?,
        };
        // Where the gradient of a layer's product is not finite, that of its bias is not either. The
        // gradient of a weight can leave f32 alone; the weight is then not finite after the step, as
        // `check_weights` finds. The last layer's comes first in the backward pass.
        for pair in network.pairs().iter().rev() {
            if let Some(value) = pair.bias.gradient().iter().find(|g| !g.is_finite()) {
                let what = format!("the gradient of {}", pair.bias.name());
                return Err(self.at.diverged(&what, *value));
            }
        }
        Ok(loss)
    }

    /// Writes the gradients of the samples `indices`; returns their loss.
    fn gradients(
        &self,
        network: &mut Mlp,
        indices: &[usize],
        buffers: &mut Backprop,
    ) -> Result<f32> {
        let (rows, step, epoch) = (indices.len(), self.at.step as u64, self.at.drawn_in);
        match self
            .data
            .by_feature()
            .filter(|_| buffers.reads_features(self.loss))
        {
            Some(data) => buffers.read_features(network, data, epoch, indices)?,
            None => {
                self.data.fill(epoch, indices, buffers.inputs_mut(rows))?;
                check_inputs(buffers, indices)?;
                buffers.read_batch(network, rows, step)?;
            }
        }
        let all = self.data.labels();
        let labels: Vec<u32> = indices
            .iter()
            .filter_map(|&i| all.get(i))
            .copied()
            .collect();
        buffers.forward(network, rows, step)?;
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
            return Err(self.at.diverged("the loss", loss));
        }
        buffers.backward(network, rows)?;
        Ok(loss)
    }
}

impl At {
    /// A loss may be finite while a weight no longer is: a ReLU that is off hides it. To look at all
    /// weights after each step would cost a pass over them.
    pub(crate) fn check_weights(&self, network: &Mlp) -> Result<()> {
        for parameter in network.parameters() {
            if let Some(value) = parameter.values().iter().find(|v| !v.is_finite()) {
                return Err(self.diverged(parameter.name(), *value));
            }
        }
        Ok(())
    }

    fn diverged(&self, what: &str, value: f32) -> Error {
        Error::Diverged {
            epoch: self.epoch,
            step: self.step,
            what: what.to_owned(),
            value,
            learning_rate: self.rate,
        }
    }
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
