//! One pass over the samples, step by step.

use compress_core::train::{Batch, Loss, Samples, Step, TrainHook};
use rayon::prelude::*;

use crate::backprop::Backprop;
use crate::batchwise::Batchwise;
use crate::layers::CHUNK;
use crate::optim::{self, Rates};
use crate::rows::all_finite;
use crate::state::State;
use crate::{Error, Mlp, Progress, Result, Settings, Trainer};

/// The buffers that the steps of a run work in.
pub(crate) struct Workspace {
    /// Buffers for all neurons. With `part`, only what they know of live weights is used.
    pub(crate) whole: Backprop,
    /// Batchwise dropout, where each step trains only some of the neurons.
    pub(crate) part: Option<Batchwise>,
}

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
        hooks: &mut [&mut dyn TrainHook],
        order: &[usize],
        state: &mut State,
        workspace: &mut Workspace,
    ) -> Result<f32> {
        let (mut sum, mut last) = (0.0, 0.0);
        for indices in order.chunks(self.batch) {
            let step = Step {
                epoch: self.epoch,
                step: state.step,
                total_steps: self.rates.total_steps,
                learning_rate: self.rates.at(self.epoch, state.step),
                live_only: true,
            };
            let loss = self.step(trainer, hooks, indices, &step, state, workspace)?;
            sum += f64::from(loss) * indices.len() as f64;
            last = step.learning_rate;
            state.step += 1;
            if let Some(callback) = &mut trainer.progress {
                callback(&Progress {
                    epoch: self.epoch,
                    step: state.step,
                    total_steps: step.total_steps,
                    loss,
                    learning_rate: step.learning_rate,
                });
            }
        }
        self.check_weights(&trainer.network, state.step, last)?;
        Ok((sum / order.len() as f64) as f32)
    }

    /// Takes one step and returns the loss of the batch.
    ///
    /// The work between the hooks runs inside the thread pool as a whole (`rayon::scope`).
    /// Otherwise each of its many short parallel loops would wake the pool from outside, and wait
    /// for it.
    fn step(
        &self,
        trainer: &mut Trainer<'_>,
        hooks: &mut [&mut dyn TrainHook],
        indices: &[usize],
        step: &Step,
        state: &mut State,
        workspace: &mut Workspace,
    ) -> Result<f32> {
        let Workspace { whole, part } = workspace;
        let Trainer {
            network, settings, ..
        } = trainer;
        for hook in hooks.iter_mut() {
            hook.before_forward(network, step)?;
        }
        whole.follow(network, &mut state.optimizer)?;
        let epoch = settings.first_epoch + self.epoch as u64;
        let loss = rayon::scope(|_| match part {
            Some(part) => {
                part.draw(network, step.step as u64);
                let (own, buffers) = (&mut part.network, &mut part.buffers);
                let loss = self.gradients(own, indices, epoch, step, buffers)?;
                part.give_gradients(network);
                Ok(loss)
            }
            None => self.gradients(network, indices, epoch, step, whole),
        })?;
        for hook in hooks.iter_mut().rev() {
            hook.after_backward(network, step)?;
        }
        rayon::scope(|_| update(network, settings, step.learning_rate, state, whole))?;
        if !hooks.is_empty() {
            let moments = whole.second_moments(&state.optimizer, network);
            for hook in hooks.iter_mut() {
                hook.observe_second_moments(network, step, &moments)?;
            }
        }
        for hook in hooks.iter_mut() {
            hook.after_step(network, step)?;
        }
        Ok(loss)
    }

    /// Writes the gradients of the samples `indices`; returns their loss.
    fn gradients(
        &self,
        network: &mut Mlp,
        indices: &[usize],
        epoch: u64,
        step: &Step,
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
                buffers.read_batch(network, rows, step.step as u64)?;
            }
        }
        let all = self.data.labels();
        let labels: Vec<u32> = indices
            .iter()
            .filter_map(|&i| all.get(i))
            .copied()
            .collect();
        buffers.forward(network, rows, step.step as u64)?;
        let (inputs, logits, gradient) = buffers.ends(rows);
        let batch = Batch {
            inputs,
            labels: &labels,
            indices,
            epoch,
        };
        let loss = self.loss.evaluate(logits, &batch, gradient)?;
        if !loss.is_finite() {
            let rate = step.learning_rate;
            return Err(self.diverged(step.step, "the loss", loss, rate));
        }
        buffers.backward(network, rows)?;
        Ok(loss)
    }

    /// A loss may be finite while a weight no longer is: a ReLU that is off hides it.
    fn check_weights(&self, network: &Mlp, step: usize, rate: f32) -> Result<()> {
        for parameter in network.all() {
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

/// Applies the gradients, and the limits on them and on the weights.
fn update(
    network: &mut Mlp,
    settings: &Settings,
    learning_rate: f32,
    state: &mut State,
    buffers: &mut Backprop,
) -> Result<()> {
    buffers.follow(network, &mut state.optimizer)?;
    buffers.sparse.settle(network)?;
    let parameters = network.all_mut();
    let factor = match settings.gradient_clip {
        Some(limit) => optim::clip_factor(parameters, limit)?,
        None => 1.0,
    };
    let optimizer = &mut state.optimizer;
    let live = buffers.sparse.layers_mut();
    optimizer.step(parameters, live, learning_rate, factor)?;
    if let Some(limit) = settings.max_norm {
        optim::limit_rows(parameters, limit)?;
    }
    Ok(())
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
