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
/// `fill` takes the epoch, so that augmented data differs from epoch to epoch and is the same
/// whenever the same epoch is asked for.
pub trait Samples: Sync {
    /// How many samples there are.
    fn len(&self) -> usize;

    /// How many features a sample has.
    fn features(&self) -> usize;

    /// The class of each sample; empty where the samples have none.
    fn labels(&self) -> &[u32];

    /// Writes the samples `indices` as rows of `out` `[indices.len(), features]`.
    fn fill(&self, epoch: u64, indices: &[usize], out: ArrayViewMut2<'_, f32>) -> Result<()>;

    /// The same samples feature by feature, where they can be read so without being read whole.
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

/// What a loss may know about the batch beside the logits.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// What the network read, `[batch, features]`; `[batch, 0]` for a loss that says that it does
    /// not read it ([`Loss::reads_inputs`]).
    pub inputs: ArrayView2<'a, f32>,
    /// The class of each row; empty where the samples have none.
    pub labels: &'a [u32],
    /// The position of each row in the samples, by which cached targets are found.
    pub indices: &'a [usize],
    /// The epoch that the rows were drawn in.
    pub epoch: u64,
}

/// A loss, averaged over the batch.
pub trait Loss: Sync {
    /// Whether it reads [`Batch::inputs`]. Where it does not, a training loop need not keep what
    /// the network has no use for.
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

/// Where a training run is.
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
    /// Whether the loop leaves alone what is not live
    /// ([`crate::network::Parameter::live`]): its values and gradients stay zero.
    pub live_only: bool,
}

impl Step {
    /// How much of the run lies behind, from 0 up to but not including 1.
    pub fn progress(&self) -> f32 {
        self.step as f32 / self.total_steps.max(1) as f32
    }
}

/// Something that takes part in training: a mask, fake quantization, a schedule of densities.
///
/// The loop calls the hooks in their order before a forward pass and after a step, and in
/// reverse order after a backward pass (likewise around a look at the validation samples), so that what one swaps in before, it swaps out after.
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

    /// What the optimizer remembers of the squares of the gradients, after its step and before
    /// [`TrainHook::after_step`]: for each parameter, in the network's order, their running mean,
    /// one for each value or one for each live value; empty where it keeps none.
    ///
    /// This mean estimates the diagonal of the empirical Fisher information at no cost.
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

    /// Before the network is looked at, as by validation: what is swapped in for a forward pass
    /// belongs in here too.
    fn before_evaluation(&mut self, network: &mut dyn Network) -> Result<()> {
        let _ = network;
        Ok(())
    }

    /// After the network was looked at; takes back what [`TrainHook::before_evaluation`] did.
    fn after_evaluation(&mut self, network: &mut dyn Network) -> Result<()> {
        let _ = network;
        Ok(())
    }

    /// What a checkpoint must hold so that a resumed run goes on in the same bits.
    fn save(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Takes back what [`TrainHook::save`] gave.
    fn load(&mut self, state: &[u8]) -> Result<()> {
        let _ = state;
        Ok(())
    }
}

/// What one pass over the samples did.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpochReport {
    /// From 0.
    pub epoch: usize,
    /// Mean over the epoch's batches.
    pub training_loss: f32,
    /// Wrong predictions on the validation samples, where there are any and the epoch looked.
    pub validation_errors: Option<usize>,
    /// Cross-entropy on the validation samples, likewise.
    pub validation_loss: Option<f32>,
}

/// What a training run did.
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

/// What `run` makes of all samples `[samples, outputs]` as they are in `epoch`, of which few are
/// held at a time. `run` gets the number of a batch's first sample, its inputs
/// `[batch, features]` and where its outputs go, `[batch, outputs]`, contiguous and row-major.
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
