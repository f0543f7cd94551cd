//! What training is to the algorithms: a loss, and the loop itself, which calls hooks without
//! knowing them.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::network::Forward;
use crate::{Error, Result};

#[cfg(test)]
mod tests;

pub use crate::hook::{Run, Step, TrainHook, Training};
pub use crate::samples::{
    ArraySamples, FeatureMajor, FeatureRow, Samples, check_indices, gather_by_feature, in_batches,
};

/// What a loss can use of the batch beside the logits.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// What the network read, `[batch, features]`. For a loss that does not read it
    /// ([`Loss::reads_inputs`]) it may be `[batch, 0]`.
    pub inputs: ArrayView2<'a, f32>,
    /// The class of each row; empty where the samples have none.
    pub labels: &'a [u32],
    /// The position of each row in the samples. Cached targets are found by it.
    pub indices: &'a [usize],
    /// The epoch that the rows were drawn in.
    pub epoch: u64,
}

/// A loss, averaged over the batch.
pub trait Loss: Sync {
    /// Whether it reads [`Batch::inputs`]. If not, a training loop need not keep inputs that the
    /// network does not use.
    fn reads_inputs(&self) -> bool {
        true
    }

    /// Returns the loss and writes its gradient with respect to `logits` `[batch, outputs]` into
    /// `gradient`, of the same shape.
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32>;
}

/// Reports one pass over the samples.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpochReport {
    /// From 0.
    pub epoch: usize,
    /// Mean over the epoch's batches.
    pub training_loss: f32,
    /// Wrong predictions on the validation samples, if the epoch was validated.
    pub validation_errors: Option<usize>,
    /// Cross-entropy on the validation samples, if the epoch was validated.
    pub validation_loss: Option<f32>,
}

/// Reports a training run.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FitReport {
    /// One for each epoch, in order.
    pub epochs: Vec<EpochReport>,
    /// Whether validation ended it before the last epoch.
    pub stopped_early: bool,
}

/// A network together with the way to train it.
///
/// `compress-nn`'s `Trainer` is one. With it distillation trains a student, and pruning
/// fine-tunes, without knowing which library does the training.
pub trait Fit {
    /// The network.
    fn network(&self) -> &dyn Forward;

    /// Trains the network on `data` with `loss`, calling `hooks`.
    fn fit(
        &mut self,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
    ) -> Result<FitReport>;
}

/// Logits of all samples `[samples, outputs]` as they are in `epoch`, computed in batches.
pub fn predict(network: &dyn Forward, data: &dyn Samples, epoch: u64) -> Result<Array2<f32>> {
    let outputs = network.outputs();
    in_batches(data, epoch, outputs, |_, inputs, mut out| {
        let logits = network.forward(inputs)?;
        Error::check_shape("logits", out.shape(), logits.shape())?;
        out.assign(&logits);
        Ok(())
    })
}
