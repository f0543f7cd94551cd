//! What an optimizer remembers between steps (its moments), and how it takes a step.

use compress_core::kernels::sparse_layer::Live;
use compress_core::network::{Parameter, Role};
use compress_core::ops::optimizer::{Adam, Sgd};
use compress_core::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Optimizer;
use crate::layers::CHUNK;
use crate::layers::live::LiveWeights;

/// What an optimizer remembers: for each parameter its moments, as long as the parameter, or
/// empty where the optimizer keeps none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    optimizer: Optimizer,
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
    /// β₁ᵗ and β₂ᵗ after t steps, by multiplication, so that no power function is needed.
    powers: [f64; 2],
}

/// One step, the same for all parameters.
#[derive(Clone, Copy, Debug)]
enum Update {
    Sgd(Sgd),
    Adam(Adam),
}

impl State {
    /// Before the first step.
    pub(crate) fn new(optimizer: Optimizer, parameters: &[Parameter]) -> Self {
        let (first, second) = match optimizer {
            Optimizer::Sgd { momentum: 0.0, .. } => (false, false),
            Optimizer::Sgd { .. } => (true, false),
            Optimizer::Adam { .. } | Optimizer::AdamW { .. } => (true, true),
        };
        let moments = |kept: bool| {
            let length = |p: &Parameter| if kept { p.values().len() } else { 0 };
            parameters.iter().map(|p| vec![0.0; length(p)]).collect()
        };
        State {
            optimizer,
            first: moments(first),
            second: moments(second),
            powers: [1.0; 2],
        }
    }

    /// Whether it belongs to this optimizer and to parameters of these lengths.
    pub(crate) fn fits(&self, optimizer: Optimizer, parameters: &[Parameter]) -> bool {
        let lengths = |moments: &[Vec<f32>]| moments.iter().map(Vec::len).collect::<Vec<_>>();
        let fresh = State::new(optimizer, parameters);
        self.optimizer == optimizer
            && lengths(&self.first) == lengths(&fresh.first)
            && lengths(&self.second) == lengths(&fresh.second)
    }

    /// The means of the gradients of parameter `index` and of their squares; empty where none are
    /// kept.
    pub(crate) fn moments(&self, index: usize) -> [&[f32]; 2] {
        [&self.first[index], &self.second[index]]
    }

    /// The same, to change.
    pub(crate) fn moments_mut(&mut self, index: usize) -> [&mut [f32]; 2] {
        [&mut self.first[index], &mut self.second[index]]
    }

    /// Sets to zero the moments of the weights of parameter `index` that are not live.
    pub(crate) fn forget(&mut self, index: usize, live: &Live) {
        for moments in self.moments_mut(index) {
            if !moments.is_empty() {
                live.zero_dead(moments);
            }
        }
    }

    /// Takes one step: changes each parameter by its gradient times `factor`. Where a layer has
    /// an entry in `live`, only its live weights are changed.
    ///
    /// # Errors
    /// Where a parameter's length has changed.
    pub(crate) fn step(
        &mut self,
        parameters: &mut [Parameter],
        live: &mut [Option<LiveWeights>],
        learning_rate: f32,
        factor: f32,
    ) -> Result<()> {
        let update = self.next_update(learning_rate, factor);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for (index, (parameter, (first, second))) in parameters.iter_mut().zip(moments).enumerate()
        {
            let layer = live.get_mut(index / 2).and_then(Option::as_mut);
            if let Some(layer) = layer.filter(|_| parameter.role() == Role::Weight) {
                layer.gather_values(parameter);
                layer.gather_gradient(parameter);
                let LiveWeights {
                    values,
                    gradient,
                    first,
                    second,
                    ..
                } = layer;
                update.apply(values, gradient, first, second)?;
                layer.scatter_values(parameter);
                continue;
            }
            let length = parameter.values().len();
            for moments in [&*first, &*second] {
                if !moments.is_empty() {
                    Error::check_shape("moments of the gradient", &[length], &[moments.len()])?;
                }
            }
            let (values, gradient) = parameter.values_and_gradient_mut();
            update.apply(values, gradient, first, second)?;
        }
        Ok(())
    }

    fn next_update(&mut self, learning_rate: f32, factor: f32) -> Update {
        match self.optimizer {
            Optimizer::Sgd {
                momentum,
                nesterov,
                weight_decay,
            } => Update::Sgd(Sgd {
                rate: learning_rate,
                factor,
                momentum,
                nesterov,
                decay: weight_decay,
            }),
            Optimizer::Adam {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => {
                let base = self.next_adam([beta1, beta2], epsilon, learning_rate, factor);
                Update::Adam(Adam {
                    coupled_decay: weight_decay,
                    ..base
                })
            }
            Optimizer::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => {
                let base = self.next_adam([beta1, beta2], epsilon, learning_rate, factor);
                let decay = f64::from(learning_rate) * f64::from(weight_decay);
                Update::Adam(Adam {
                    shrink: (1.0 - decay) as f32,
                    ..base
                })
            }
        }
    }

    /// The next step of Adam, without weight decay.
    fn next_adam(&mut self, betas: [f32; 2], epsilon: f32, rate: f32, factor: f32) -> Adam {
        let betas = betas.map(f64::from);
        self.powers[0] *= betas[0];
        self.powers[1] *= betas[1];
        Adam {
            factor,
            coupled_decay: 0.0,
            shrink: 1.0,
            first_share: (1.0 - betas[0]) as f32,
            beta2: betas[1] as f32,
            second_share: (1.0 - betas[1]) as f32,
            step: (f64::from(rate) / (1.0 - self.powers[0])) as f32,
            correction: (1.0 - self.powers[1]).sqrt() as f32,
            epsilon,
        }
    }
}

impl Update {
    /// Changes one parameter; the moments are as long as it, or empty where none are kept.
    fn apply(
        self,
        values: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) -> Result<()> {
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        match self {
            Update::Sgd(sgd) if first.is_empty() => chunks.try_for_each(|(w, g)| sgd.plain(w, g)),
            Update::Sgd(sgd) => chunks
                .zip(first.par_chunks_mut(CHUNK))
                .try_for_each(|((w, g), b)| sgd.with_momentum(w, g, b)),
            Update::Adam(adam) => chunks
                .zip(first.par_chunks_mut(CHUNK))
                .zip(second.par_chunks_mut(CHUNK))
                .try_for_each(|(((w, g), m), v)| adam.step(w, g, m, v)),
        }
    }
}
