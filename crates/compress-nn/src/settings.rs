//! The settings of a training run.

use compress_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::ranges::{at_least_one, fraction, not_negative, positive};
use crate::{Optimizer, Schedule};

/// Early stopping: when validation ends a run before its last epoch. Needs validation samples.
///
/// The network stays as the last step left it. The weights of an earlier epoch are not restored:
/// with a pruning hook they would have another density.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// How many validations in a row may pass without improvement; at least 1.
    pub patience: usize,
    /// By how much the cross-entropy must fall below the lowest so far to count as improvement.
    pub min_improvement: f32,
}

/// Everything that a training run depends on beside the network, data, loss and hooks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Passes over the samples; at least 1.
    pub epochs: usize,
    /// Samples per step; the last step of an epoch takes what is left.
    pub batch_size: usize,
    /// The peak learning rate.
    pub learning_rate: f32,
    /// How gradients change weights.
    pub optimizer: Optimizer,
    /// The schedule by which the learning rate falls.
    pub schedule: Schedule,
    /// Warm-up: steps over which the learning rate first rises, linearly, to its peak.
    pub warm_up_steps: usize,
    /// Input dropout: the probability that a feature is dropped, in `[0, 1)`.
    pub dropout_input: f32,
    /// Hidden dropout: the probability that a hidden neuron is dropped, in `[0, 1)`.
    pub dropout_hidden: f32,
    /// Batchwise dropout: whether all samples of a batch drop the same hidden neurons. Of each
    /// layer the share `dropout_hidden` is dropped, rounded to whole neurons, but at least one
    /// neuron stays. A step then costs as much as one of the smaller network (Graham et al. 2015,
    /// 1502.02478). Pruned layers do not become faster still by their sparsity.
    pub batchwise_dropout: bool,
    /// Max-norm: after each step, the L2 norm of a neuron's incoming weights is limited to this
    /// (Srivastava et al. 2014, section 5.1).
    pub max_norm: Option<f32>,
    /// Gradient clipping: the largest L2 norm of all gradients together; larger ones are scaled
    /// down (Pascanu et al. 2013, 1211.5063, algorithm 1).
    pub gradient_clip: Option<f32>,
    /// When to stop before the last epoch.
    pub early_stopping: Option<EarlyStopping>,
    /// The number of the first epoch, for [`compress_core::train::Samples::fill`] and the shuffle.
    /// With it, a second run that continues a first one sees new augmentations.
    pub first_epoch: u64,
    /// The seed of shuffling and dropout.
    pub seed: u64,
    /// The name of this run's random streams.
    pub stream: String,
}

impl Default for Settings {
    /// Ten epochs of Adam at 0.001, 128 samples per step, and nothing else.
    fn default() -> Self {
        Settings {
            epochs: 10,
            batch_size: 128,
            learning_rate: 0.001,
            optimizer: Optimizer::adam(),
            schedule: Schedule::Constant,
            warm_up_steps: 0,
            dropout_input: 0.0,
            dropout_hidden: 0.0,
            batchwise_dropout: false,
            max_norm: None,
            gradient_clip: None,
            early_stopping: None,
            first_epoch: 0,
            seed: 0,
            stream: "train".into(),
        }
    }
}

impl Settings {
    /// Fails, naming the field, where one is out of its range. [`crate::Trainer::new`] calls it.
    pub fn validate(&self) -> Result<()> {
        at_least_one("epochs", self.epochs)?;
        at_least_one("batch_size", self.batch_size)?;
        positive("learning_rate", self.learning_rate)?;
        self.optimizer.validate()?;
        self.schedule.validate()?;
        fraction("dropout_input", self.dropout_input)?;
        fraction("dropout_hidden", self.dropout_hidden)?;
        if let Some(norm) = self.max_norm {
            positive("max_norm", norm)?;
        }
        if let Some(norm) = self.gradient_clip {
            positive("gradient_clip", norm)?;
        }
        if let Some(stopping) = self.early_stopping {
            at_least_one("early_stopping.patience", stopping.patience)?;
            not_negative("early_stopping.min_improvement", stopping.min_improvement)?;
        }
        if self.first_epoch.checked_add(self.epochs as u64).is_none() {
            let most = u64::MAX - self.epochs as u64;
            return Err(Error::invalid(
                "first_epoch",
                self.first_epoch,
                format!("at most {most}"),
            ));
        }
        Ok(())
    }
}
