//! What training is to the algorithms: a loss, and the loop itself, which calls hooks without
//! knowing them.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::network::Forward;
use crate::{Error, Result};

mod steps;
#[cfg(test)]
mod tests;

pub use self::steps::{FitInSteps, FitRun, NextBatch, fit_in_steps};
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

/// A value of the model that a loss reads beside the logits, and the place of its gradient.
#[derive(Debug)]
pub struct Value<'a> {
    /// What the model computed, `[batch, features]`, row-major. In training it is what the next
    /// layer reads: after dropout.
    pub rows: ArrayView2<'a, f32>,
    /// The gradient of the loss with respect to `rows`, of the same shape, for the loss to write.
    pub gradient: ArrayViewMut2<'a, f32>,
}

/// A loss, averaged over the batch: a function of arrays, which gives a gradient for each.
///
/// Most losses read the logits alone, and implement [`Loss::evaluate`]. One that also reads what
/// layers give, as hints and attention do, names those values in [`Loss::reads_values`] and
/// implements [`Loss::evaluate_with`].
///
/// # Examples
///
/// Cross-entropy, and a penalty on what the first layer gives:
///
/// ```
/// use compress_core::ops::cross_entropy::cross_entropy;
/// use compress_core::train::{Batch, Loss, Value, given};
/// use ndarray::{ArrayView2, ArrayViewMut2, array};
///
/// struct Quiet;
///
/// impl Loss for Quiet {
///     fn reads_values(&self) -> Vec<&str> {
///         vec!["layers.0"]
///     }
///
///     fn evaluate(
///         &self,
///         logits: ArrayView2<'_, f32>,
///         batch: &Batch<'_>,
///         gradient: ArrayViewMut2<'_, f32>,
///     ) -> compress_core::Result<f32> {
///         self.evaluate_with(logits, &mut [], batch, gradient)
///     }
///
///     fn evaluate_with(
///         &self,
///         logits: ArrayView2<'_, f32>,
///         values: &mut [Value<'_>],
///         batch: &Batch<'_>,
///         gradient: ArrayViewMut2<'_, f32>,
///     ) -> compress_core::Result<f32> {
///         let [hidden] = given(values)?;
///         hidden.gradient.assign(&hidden.rows);
///         let penalty = 0.5 * hidden.rows.iter().map(|y| y * y).sum::<f32>();
///         let loss = cross_entropy(logits, batch.labels, batch.indices, gradient)?;
///         Ok(loss as f32 + penalty)
///     }
/// }
///
/// let (logits, hidden) = (array![[0.0, 0.0]], array![[3.0, 4.0]]);
/// let [mut gradient, mut hidden_gradient] = [array![[0.0, 0.0]], array![[0.0, 0.0]]];
/// let inputs = array![[0.0]];
/// let batch = Batch { inputs: inputs.view(), labels: &[1], indices: &[0], epoch: 0 };
/// let mut value = Value { rows: hidden.view(), gradient: hidden_gradient.view_mut() };
/// let values = std::slice::from_mut(&mut value);
/// let loss = Quiet.evaluate_with(logits.view(), values, &batch, gradient.view_mut())?;
/// assert!((loss - (2.0_f32.ln() + 12.5)).abs() < 1e-6);
/// assert_eq!(hidden_gradient, hidden);
/// assert!(Quiet.evaluate(logits.view(), &batch, gradient.view_mut()).is_err());
/// # Ok::<(), compress_core::Error>(())
/// ```
pub trait Loss: Sync {
    /// Whether it reads [`Batch::inputs`]. If not, a training loop need not keep inputs that the
    /// network does not use.
    fn reads_inputs(&self) -> bool {
        true
    }

    /// Whether it finds something that was computed once, such as a teacher's logits, by the
    /// samples' positions. Then it is only right for samples that are the same in each epoch, and a
    /// training loop refuses others ([`check_samples`]).
    fn is_cached(&self) -> bool {
        false
    }

    /// The values of the model's graph that it reads beside the logits, each once: such as
    /// `layers.0`, what that layer gives after its activation. None by default.
    fn reads_values(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Returns the loss and writes its gradient with respect to `logits` `[batch, outputs]` into
    /// `gradient`, of the same shape.
    ///
    /// # Errors
    /// Where it reads values, which are not given here, or shapes disagree.
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32>;

    /// As [`Loss::evaluate`], given the values of [`Loss::reads_values`] in their order. It writes
    /// the gradient of each.
    ///
    /// # Errors
    /// Where the values are not those, or shapes disagree.
    fn evaluate_with(
        &self,
        logits: ArrayView2<'_, f32>,
        values: &mut [Value<'_>],
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        let _ = values;
        self.evaluate(logits, batch, gradient)
    }
}

/// The values that a loss was given, where there are as many as it reads.
///
/// # Errors
/// Where there are more or fewer.
pub fn given<'v, 'a, const N: usize>(
    values: &'v mut [Value<'a>],
) -> Result<&'v mut [Value<'a>; N]> {
    Error::check_shape("values that the loss reads", &[N], &[values.len()])?;
    values.try_into().map_err(Error::other)
}

/// Fails where `loss` holds what was computed once, and `data` differ from one epoch to another: for
/// training loops.
///
/// # Errors
/// Says what to do.
pub fn check_samples(loss: &(impl Loss + ?Sized), data: &dyn Samples) -> Result<()> {
    match loss.is_cached() && data.differs_by_epoch() {
        false => Ok(()),
        true => Err(Error::invalid(
            "the samples of a loss that was cached",
            "different from one epoch to another",
            "the same in each, or a teacher that is asked on the fly or cached by epoch",
        )),
    }
}

/// Fails where `loss` reads values of the model: for a training loop that shows it none.
///
/// # Errors
/// Names the values.
pub fn no_values(loss: &(impl Loss + ?Sized)) -> Result<()> {
    match loss.reads_values().as_slice() {
        [] => Ok(()),
        names => {
            let names = names.join(", ");
            let expected = "none, since only the logits are given";
            Err(Error::invalid(
                "the values that the loss reads",
                names,
                expected,
            ))
        }
    }
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
    ///
    /// # Errors
    /// Before the first step: where the loss reads values that the network does not have, or that
    /// this way of training does not show. Those of the data, the loss and the hooks.
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
