//! Samples, as training and calibration read them.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::{Error, Result};

mod feature_major;
mod mixup;
mod subset;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transfer_tests;
mod unlabeled;

pub use feature_major::{FeatureMajor, FeatureRow, gather_by_feature};
pub use mixup::Mixup;
pub use subset::Subset;
pub use unlabeled::Unlabeled;

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
