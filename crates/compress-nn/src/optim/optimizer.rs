//! The choice of optimizer: SGD with momentum, Adam or AdamW.

use compress_core::Result;
use serde::{Deserialize, Serialize};

use crate::ranges::{check, fraction, not_negative, positive};

/// How gradients change weights. The arithmetic is that of PyTorch's optimizers of these names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Optimizer {
    /// Stochastic gradient descent (SGD), w −= rate · d, where d is the gradient g. SGD with
    /// momentum: d is the running sum b = momentum · b + g. Nesterov's variant: d = g + momentum ·
    /// b.
    ///
    /// # References
    /// Sutskever et al., *On the importance of initialization and momentum in deep learning*,
    /// 2013, in the form that PyTorch gives it.
    Sgd {
        /// In `[0, 1)`.
        momentum: f32,
        /// Nesterov's variant; needs momentum.
        nesterov: bool,
        /// Weight decay: this much of the weight is added to its gradient.
        weight_decay: f32,
    },
    /// Adam. Weight decay is added to the gradient (L2 regularization).
    ///
    /// # References
    /// Kingma and Ba, 1412.6980, algorithm 1.
    Adam {
        /// β₁: decay of the running mean of the gradients, in `[0, 1)`.
        beta1: f32,
        /// β₂: decay of the running mean of the squared gradients, in `[0, 1)`.
        beta2: f32,
        /// Added to the denominator; positive.
        epsilon: f32,
        /// Weight decay: this much of the weight is added to its gradient.
        weight_decay: f32,
    },
    /// AdamW: Adam with decoupled weight decay, which acts on the weight alone: w −= rate · decay ·
    /// w before the step.
    ///
    /// # References
    /// Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, 1711.05101, algorithm 2.
    AdamW {
        /// β₁: decay of the running mean of the gradients, in `[0, 1)`.
        beta1: f32,
        /// β₂: decay of the running mean of the squared gradients, in `[0, 1)`.
        beta2: f32,
        /// Added to the denominator; positive.
        epsilon: f32,
        /// Weight decay: this much of the weight, times the learning rate, is taken off in each
        /// step.
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

    /// AdamW with Adam's settings and this weight decay (PyTorch's default is 0.01).
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
}
