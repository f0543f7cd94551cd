//! The choice of optimizer, and what it remembers between steps.

use compress_core::network::Parameter;
use compress_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{adam, sgd};
use crate::settings::{check, fraction, not_negative, positive};

/// How gradients change weights; with the arithmetic of PyTorch's optimizers of these names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Optimizer {
    /// Stochastic gradient descent, w −= rate · d. With momentum, d is the running sum
    /// b = momentum · b + g; with Nesterov's variant it is g + momentum · b.
    ///
    /// # References
    /// Sutskever et al., *On the importance of initialization and momentum in deep learning*,
    /// 2013, in the form that PyTorch gives it.
    Sgd {
        /// In `[0, 1)`.
        momentum: f32,
        /// Nesterov's variant; needs momentum.
        nesterov: bool,
        /// This much of the weight is added to its gradient.
        weight_decay: f32,
    },
    /// Adam.
    ///
    /// # References
    /// Kingma and Ba, 1412.6980, algorithm 1.
    Adam {
        /// Decay of the mean of the gradients, in `[0, 1)`.
        beta1: f32,
        /// Decay of the mean of their squares, in `[0, 1)`.
        beta2: f32,
        /// Added to the denominator; positive.
        epsilon: f32,
        /// This much of the weight is added to its gradient.
        weight_decay: f32,
    },
    /// Adam whose decay acts on the weight alone: w −= rate · decay · w before the step.
    ///
    /// # References
    /// Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, 1711.05101, algorithm 2.
    AdamW {
        /// Decay of the mean of the gradients, in `[0, 1)`.
        beta1: f32,
        /// Decay of the mean of their squares, in `[0, 1)`.
        beta2: f32,
        /// Added to the denominator; positive.
        epsilon: f32,
        /// This much of the weight goes per step, times the learning rate.
        weight_decay: f32,
    },
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::adam()
    }
}

impl Optimizer {
    /// Gradient descent with this momentum, 0 for none, and no weight decay.
    pub const fn sgd(momentum: f32) -> Self {
        Optimizer::Sgd {
            momentum,
            nesterov: false,
            weight_decay: 0.0,
        }
    }

    /// Adam with the paper's settings and no weight decay.
    pub const fn adam() -> Self {
        Optimizer::Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }

    /// AdamW with the paper's settings and this decay (PyTorch's default is 0.01).
    pub const fn adam_w(weight_decay: f32) -> Self {
        Optimizer::AdamW {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay,
        }
    }

    /// Fails where a field is out of its range.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Optimizer::Sgd {
                momentum,
                nesterov,
                weight_decay,
            } => {
                fraction("momentum", momentum)?;
                let fine = !nesterov || momentum > 0.0;
                check(
                    fine,
                    "momentum",
                    momentum,
                    "positive with Nesterov's variant",
                )?;
                not_negative("weight_decay", weight_decay)
            }
            Optimizer::Adam {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            }
            | Optimizer::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => {
                fraction("beta1", beta1)?;
                fraction("beta2", beta2)?;
                positive("epsilon", epsilon)?;
                not_negative("weight_decay", weight_decay)
            }
        }
    }

    /// How many moments of the gradient it keeps.
    fn moments(&self) -> usize {
        match self {
            Optimizer::Sgd { momentum: 0.0, .. } => 0,
            Optimizer::Sgd { .. } => 1,
            Optimizer::Adam { .. } | Optimizer::AdamW { .. } => 2,
        }
    }
}

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

impl State {
    /// Before the first step.
    pub(crate) fn new(optimizer: Optimizer, parameters: &[Parameter]) -> Self {
        let moment = |kept: bool| {
            let length = |p: &Parameter| if kept { p.values().len() } else { 0 };
            parameters.iter().map(|p| vec![0.0; length(p)]).collect()
        };
        State {
            optimizer,
            first: moment(optimizer.moments() >= 1),
            second: moment(optimizer.moments() >= 2),
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

    /// Takes one step: each parameter by its gradient times `factor`.
    ///
    /// # Errors
    /// Where a parameter's length has changed.
    pub(crate) fn step(
        &mut self,
        parameters: &mut [Parameter],
        learning_rate: f32,
        factor: f32,
    ) -> Result<()> {
        if let Optimizer::Adam { beta1, beta2, .. } | Optimizer::AdamW { beta1, beta2, .. } =
            self.optimizer
        {
            self.powers[0] *= f64::from(beta1);
            self.powers[1] *= f64::from(beta2);
        }
        let moments = self.first.iter_mut().zip(&mut self.second);
        for (parameter, (first, second)) in parameters.iter_mut().zip(moments) {
            let name = parameter.name().to_owned();
            let (values, gradient) = parameter.values_and_gradient_mut();
            for kept in [&*first, &*second] {
                if !kept.is_empty() {
                    Error::check_shape(&name, &[kept.len()], &[values.len()])?;
                }
            }
            match self.optimizer {
                Optimizer::Sgd { .. } => {
                    let update = sgd::Update::new(self.optimizer, learning_rate, factor);
                    update.apply(values, gradient, first);
                }
                Optimizer::Adam { .. } | Optimizer::AdamW { .. } => {
                    let update =
                        adam::Update::new(self.optimizer, learning_rate, factor, self.powers);
                    update.apply(values, gradient, first, second);
                }
            }
        }
        Ok(())
    }
}
