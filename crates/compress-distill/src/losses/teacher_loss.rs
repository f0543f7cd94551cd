//! A loss between logits as a loss for training: the teacher gives its logits for each batch.

use compress_core::train::{Batch, Loss};
use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};

use super::checks::check_batch;
use super::{LogitBatch, LogitLoss};
use crate::logits::check_finite;
use crate::{Error, Result, Teacher};

/// Any [`LogitLoss`] between a student and a [`Teacher`], as a [`Loss`] to train with.
///
/// # Errors
/// Those of the loss; where the batch has a sample without cached logits; and where the teacher
/// fails.
///
/// # Examples
/// ```
/// use compress_core::train::Fit;
/// use compress_distill::{ReverseKl, Teacher, TeacherLoss};
///
/// let teacher = compress_testing::Chain::random(&[4, 32, 3], 1);
/// let mut student = compress_testing::Sgd::new(compress_testing::Chain::random(&[4, 8, 3], 2));
/// let data = compress_testing::blobs(64, 4, 3, 3);
/// let loss = TeacherLoss::new(Teacher::OnTheFly(&teacher), ReverseKl::default())?;
/// let report = student.fit(&data, &loss, &mut [])?;
/// assert!(report.epochs[9].training_loss < report.epochs[0].training_loss);
/// # Ok::<(), compress_core::Error>(())
/// ```
pub struct TeacherLoss<'a, L> {
    teacher: Teacher<'a>,
    loss: L,
}

impl<'a, L: LogitLoss> TeacherLoss<'a, L> {
    /// # Errors
    /// Where a setting of the loss is out of range or a cached logit is not finite.
    pub fn new(teacher: Teacher<'a>, loss: L) -> Result<Self> {
        loss.validate()?;
        if let Teacher::Cached(logits) = &teacher {
            check_finite(1, logits.view(), 1.0)?;
        }
        Ok(TeacherLoss { teacher, loss })
    }

    /// The loss between the logits.
    pub fn loss(&self) -> &L {
        &self.loss
    }

    /// The teacher's logits for the rows of this batch.
    fn logits(&self, batch: &Batch<'_>, rows: usize) -> CoreResult<Array2<f32>> {
        let logits = match &self.teacher {
            Teacher::Cached(logits) => {
                check_cached(batch.indices, rows, logits.nrows())?;
                logits.select(Axis(0), batch.indices)
            }
            Teacher::CachedByEpoch(logits) => logits.of_batch(batch)?,
            Teacher::OnTheFly(network) => network.forward(batch.inputs)?,
            Teacher::Ensemble(ensemble) => ensemble.logits(batch.inputs)?,
        };
        let shape = [rows, logits.ncols()];
        CoreError::check_shape("the teacher's logits", &shape, logits.shape())?;
        Ok(logits)
    }
}

impl<L: LogitLoss> Loss for TeacherLoss<'_, L> {
    fn reads_inputs(&self) -> bool {
        matches!(self.teacher, Teacher::OnTheFly(_) | Teacher::Ensemble(_))
    }

    fn is_cached(&self) -> bool {
        matches!(self.teacher, Teacher::Cached(_))
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> CoreResult<f32> {
        check_batch(logits, &gradient)?;
        let teacher = self.logits(batch, logits.nrows())?;
        let compared = LogitBatch {
            student: logits,
            teacher: teacher.view(),
            labels: batch.labels,
            indices: batch.indices,
            epoch: batch.epoch,
        };
        Ok(self.loss.evaluate(&compared, gradient)?)
    }
}

/// Fails unless each row of the batch has cached logits.
pub(super) fn check_cached(indices: &[usize], rows: usize, samples: usize) -> CoreResult<()> {
    CoreError::check_shape("indices of the batch", &[rows], &[indices.len()])?;
    match indices.iter().find(|&&index| index >= samples) {
        None => Ok(()),
        Some(&index) => Err(Error::NotCached { index, samples }.into()),
    }
}
