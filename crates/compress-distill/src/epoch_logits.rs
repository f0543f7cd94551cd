//! A teacher's logits of several epochs, for samples that are augmented anew in each.

use std::ops::Range;

use compress_core::network::Forward;
use compress_core::train::{Batch, Samples, predict};
use ndarray::{Array2, Axis};

use crate::logits::{check_features, check_finite};
use crate::{Ensemble, Error, Result};

/// A teacher's logits of several epochs in a row, `[samples, classes]` for each: for
/// [`crate::Teacher::CachedByEpoch`]. Several students, or several trials of one, then hear the
/// teacher about the very augmentations that they see, and the teacher passes over each epoch once.
///
/// # Examples
/// ```
/// use compress_core::samples::Mixup;
/// use compress_distill::{
///     DistillationOptions, EpochLogits, Teacher, knowledge_distillation_from,
/// };
///
/// let teacher = compress_testing::Chain::random(&[4, 32, 3], 1);
/// let data = compress_testing::blobs(64, 4, 3, 3);
/// let mixed = Mixup::new(&data, 1.0, 1, "mixup")?;
/// let mut student = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 8, 3], 2));
///
/// let logits = EpochLogits::of_teacher(&teacher, &mixed, 0..student.epochs as u64)?;
/// let options = DistillationOptions { soft_weight: 1.0, ..DistillationOptions::default() };
/// let teacher = Teacher::CachedByEpoch(logits);
/// knowledge_distillation_from(teacher, &mut student, &mixed, &options, &mut [])?;
/// # Ok::<(), compress_distill::Error>(())
/// ```
///
/// # References
/// Shen, Xing 2021, *A fast knowledge distillation framework for visual recognition* (2112.01528),
/// section 3: soft labels that are stored for each augmentation of a sample.
#[derive(Clone, Debug)]
pub struct EpochLogits {
    first_epoch: u64,
    epochs: Vec<Array2<f32>>,
}

impl EpochLogits {
    /// Logits of `first_epoch` and those that follow, `[samples, classes]` each.
    ///
    /// # Errors
    /// Where there is no epoch, shapes differ, or a logit is not finite.
    pub fn new(first_epoch: u64, epochs: Vec<Array2<f32>>) -> Result<Self> {
        let Some(first) = epochs.first() else {
            let what = "the list of epochs".into();
            return Err(compress_core::Error::Empty { what }.into());
        };
        for (number, logits) in epochs.iter().enumerate() {
            let what = format!("logits of cached epoch {number}");
            compress_core::Error::check_shape(&what, first.shape(), logits.shape())?;
            check_finite(1, logits.view(), 1.0)?;
        }
        Ok(EpochLogits {
            first_epoch,
            epochs,
        })
    }

    /// What `teacher` says of `samples` as they are in each of these epochs.
    ///
    /// # Errors
    /// Where there is no epoch, the samples have other features than the teacher reads, or a logit
    /// is not finite.
    pub fn of_teacher(
        teacher: &dyn Forward,
        samples: &dyn Samples,
        epochs: Range<u64>,
    ) -> Result<Self> {
        check_features("teacher", teacher, samples)?;
        let logits = epochs.clone().map(|epoch| predict(teacher, samples, epoch));
        let logits = logits.collect::<compress_core::Result<_>>()?;
        Self::new(epochs.start, logits)
    }

    /// What `ensemble` says of `samples` as they are in each of these epochs.
    ///
    /// # Errors
    /// As [`EpochLogits::of_teacher`].
    pub fn of_ensemble(
        ensemble: &Ensemble<'_>,
        samples: &dyn Samples,
        epochs: Range<u64>,
    ) -> Result<Self> {
        let logits = epochs
            .clone()
            .map(|epoch| ensemble.logits_in(samples, epoch));
        Self::new(epochs.start, logits.collect::<Result<_>>()?)
    }

    /// The number of classes.
    pub fn outputs(&self) -> usize {
        self.epochs[0].ncols()
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.epochs[0].nrows()
    }

    /// The epochs.
    pub fn epochs(&self) -> Range<u64> {
        self.first_epoch..self.first_epoch.saturating_add(self.epochs.len() as u64)
    }

    /// The logits `[rows, classes]` of a batch, by its epoch and indices.
    pub(crate) fn of_batch(&self, batch: &Batch<'_>) -> Result<Array2<f32>> {
        let offset = batch.epoch.checked_sub(self.first_epoch);
        let offset = offset.and_then(|offset| usize::try_from(offset).ok());
        let Some(logits) = offset.and_then(|offset| self.epochs.get(offset)) else {
            return Err(Error::EpochNotCached {
                epoch: batch.epoch,
                cached: self.epochs(),
            });
        };
        let samples = logits.nrows();
        match batch.indices.iter().find(|&&index| index >= samples) {
            None => Ok(logits.select(Axis(0), batch.indices)),
            Some(&index) => Err(Error::NotCached { index, samples }),
        }
    }
}
