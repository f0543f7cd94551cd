//! What training is to the algorithms: samples, a loss, hooks that a training loop calls without
//! knowing them, and the loop itself.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::network::Network;
use crate::{Error, Result};

mod feature_major;
#[cfg(test)]
mod tests;

pub use feature_major::{FeatureMajor, FeatureRow, gather_by_feature};

/// Labelled samples that can be read in any order, as often as wanted.
///
/// `fill` takes the epoch: augmented data differs from epoch to epoch, but is the same whenever the
/// same epoch is asked for.
pub trait Samples: Sync {
    /// How many samples there are.
    fn len(&self) -> usize;

    /// How many features a sample has.
    fn features(&self) -> usize;

    /// The class of each sample; empty where the samples have none.
    fn labels(&self) -> &[u32];

    /// Writes the samples `indices` as rows of `out` `[indices.len(), features]`.
    fn fill(&self, epoch: u64, indices: &[usize], out: ArrayViewMut2<'_, f32>) -> Result<()>;

    /// Whether samples differ from one epoch to another, as augmented ones do. What is computed from
    /// them once, such as a teacher's logits, is then of one epoch alone.
    fn differs_by_epoch(&self) -> bool {
        false
    }

    /// The same samples feature by feature, if that is possible without reading all features.
    fn by_feature(&self) -> Option<&dyn FeatureMajor> {
        None
    }

    /// Whether there is not a single sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Samples held as a matrix.
#[derive(Clone, Debug)]
pub struct ArraySamples {
    inputs: Array2<f32>,
    labels: Vec<u32>,
}

impl ArraySamples {
    /// `inputs` `[samples, features]`, and a label for each sample or none at all.
    ///
    /// # Errors
    /// Where there is no sample, a value is not finite, or the number of labels differs.
    pub fn new(inputs: Array2<f32>, labels: Vec<u32>) -> Result<Self> {
        if inputs.nrows() == 0 {
            return Err(Error::Empty {
                what: "the data".into(),
            });
        }
        if !labels.is_empty() {
            Error::check_shape("labels", &[inputs.nrows()], &[labels.len()])?;
        }
        let inputs = match inputs.is_standard_layout() {
            true => inputs,
            false => inputs.as_standard_layout().into_owned(),
        };
        Error::check_finite("the data", inputs.as_slice().unwrap_or_default())?;
        Ok(ArraySamples { inputs, labels })
    }

    /// All inputs `[samples, features]`.
    pub fn inputs(&self) -> ArrayView2<'_, f32> {
        self.inputs.view()
    }
}

impl Samples for ArraySamples {
    fn len(&self) -> usize {
        self.inputs.nrows()
    }

    fn features(&self) -> usize {
        self.inputs.ncols()
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn fill(&self, _epoch: u64, indices: &[usize], mut out: ArrayViewMut2<'_, f32>) -> Result<()> {
        Error::check_shape("batch", &[indices.len(), self.features()], out.shape())?;
        check_indices(indices, self.len())?;
        for (mut row, &index) in out.rows_mut().into_iter().zip(indices) {
            row.assign(&self.inputs.row(index));
        }
        Ok(())
    }

    fn by_feature(&self) -> Option<&dyn FeatureMajor> {
        Some(self)
    }
}

impl FeatureMajor for ArraySamples {
    fn fill_by_feature(
        &self,
        _epoch: u64,
        indices: &[usize],
        wanted: &[FeatureRow],
        out: ArrayViewMut2<'_, f32>,
    ) -> Result<()> {
        check_indices(indices, self.len())?;
        let (all, features) = (self.inputs.as_slice().unwrap_or_default(), self.features());
        let sample = |&index: &usize| &all[index * features..(index + 1) * features];
        let samples: Vec<&[f32]> = indices.iter().map(sample).collect();
        gather_by_feature(&samples, |value| value, wanted, out)
    }
}

/// Fails at the first index of a sample that does not exist: for implementors of [`Samples`].
///
/// # Errors
/// Names that index, and how many samples there are.
pub fn check_indices(indices: &[usize], samples: usize) -> Result<()> {
    match indices.iter().find(|&&index| index >= samples) {
        None => Ok(()),
        Some(index) => {
            let expected = format!("below {samples}");
            Err(Error::invalid("a sample's index", index, expected))
        }
    }
}

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

/// How far a training run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// From 0.
    pub epoch: usize,
    /// Steps done before this one, over all epochs.
    pub step: usize,
    /// Steps that the whole run will take.
    pub total_steps: usize,
    /// The learning rate of this step.
    pub learning_rate: f32,
    /// Whether the loop leaves dead weights alone ([`crate::network::Parameter::live`]): their
    /// values and gradients stay zero.
    pub live_only: bool,
}

impl Step {
    /// The fraction of the run that is done: from 0 up to but not including 1.
    pub fn progress(&self) -> f32 {
        self.step as f32 / self.total_steps.max(1) as f32
    }
}

/// A hook that takes part in training, such as a mask, fake quantization (QAT) or gradual pruning.
///
/// The loop calls the hooks in their order before a forward pass and after a step. After a backward
/// pass it calls them in reverse order, so that what a hook swaps in before, it swaps out after.
/// The same holds around a validation.
pub trait TrainHook {
    /// Before the forward pass of `step`.
    fn before_forward(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        let _ = (network, step);
        Ok(())
    }

    /// When the gradients of `step` are known and not yet applied.
    fn after_backward(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        let _ = (network, step);
        Ok(())
    }

    /// Gets the optimizer's second moments: for each parameter, in the network's order, the running
    /// mean of its squared gradients. There is one for each value or one for each live value; empty
    /// where the optimizer keeps none. Called after the optimizer's step and before
    /// [`TrainHook::after_step`].
    ///
    /// This mean is a cheap estimate of the diagonal of the empirical Fisher information. It
    /// squares the mean gradient of a batch, not those of single samples.
    fn observe_second_moments(
        &mut self,
        network: &dyn Network,
        step: &Step,
        moments: &[&[f32]],
    ) -> Result<()> {
        let _ = (network, step, moments);
        Ok(())
    }

    /// When the parameters have been updated.
    fn after_step(&mut self, network: &mut dyn Network, step: &Step) -> Result<()> {
        let _ = (network, step);
        Ok(())
    }

    /// Called before the network is used outside of a step, as in validation. What a hook swaps in
    /// for a forward pass must be swapped in here too.
    fn before_evaluation(&mut self, network: &mut dyn Network) -> Result<()> {
        let _ = network;
        Ok(())
    }

    /// Called after that use; undoes [`TrainHook::before_evaluation`].
    fn after_evaluation(&mut self, network: &mut dyn Network) -> Result<()> {
        let _ = network;
        Ok(())
    }

    /// The state that a checkpoint must hold so that a resumed run continues to the same bits.
    fn save(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Restores the state that [`TrainHook::save`] gave.
    fn load(&mut self, state: &[u8]) -> Result<()> {
        let _ = state;
        Ok(())
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
    fn network(&self) -> &dyn Network;

    /// The network, to change.
    fn network_mut(&mut self) -> &mut dyn Network;

    /// Trains the network on `data` with `loss`, calling `hooks`.
    fn fit(
        &mut self,
        data: &dyn Samples,
        loss: &dyn Loss,
        hooks: &mut [&mut dyn TrainHook],
    ) -> Result<FitReport>;
}

/// Logits of all samples `[samples, outputs]` as they are in `epoch`, computed in batches.
pub fn predict(network: &dyn Network, data: &dyn Samples, epoch: u64) -> Result<Array2<f32>> {
    let outputs = network.architecture().outputs();
    in_batches(data, epoch, outputs, |_, inputs, mut out| {
        let logits = network.forward(inputs)?;
        Error::check_shape("logits", out.shape(), logits.shape())?;
        out.assign(&logits);
        Ok(())
    })
}

/// The output of `run` for all samples `[samples, outputs]` as in `epoch`; only a batch of samples
/// is held at a time. `run` gets the number of a batch's first sample, its inputs
/// `[batch, features]` and the place of its outputs `[batch, outputs]`, contiguous and row-major.
///
/// # Errors
/// Where the samples fail, and those of `run`.
pub fn in_batches<E: From<Error>>(
    data: &dyn Samples,
    epoch: u64,
    outputs: usize,
    mut run: impl FnMut(
        usize,
        ArrayView2<'_, f32>,
        ArrayViewMut2<'_, f32>,
    ) -> std::result::Result<(), E>,
) -> std::result::Result<Array2<f32>, E> {
    /// Rows of a batch: large enough to fill the kernels, small enough for the cache.
    const BATCH: usize = 512;
    let mut all = Array2::zeros((data.len(), outputs));
    let mut inputs = Array2::zeros((BATCH.min(data.len()), data.features()));
    let indices: Vec<usize> = (0..data.len()).collect();
    let batches = all.axis_chunks_iter_mut(ndarray::Axis(0), BATCH);
    for (indices, out) in indices.chunks(BATCH).zip(batches) {
        let mut rows = inputs.slice_mut(ndarray::s![..indices.len(), ..]);
        data.fill(epoch, indices, rows.view_mut())?;
        run(indices[0], rows.view(), out)?;
    }
    Ok(all)
}
