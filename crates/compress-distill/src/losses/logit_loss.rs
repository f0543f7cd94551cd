//! The contract of losses between a student's and a teacher's logits.

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::Result;

/// The logits of one batch, and what else is known of its rows.
#[derive(Clone, Copy, Debug)]
pub struct LogitBatch<'a> {
    /// The student's, `[rows, classes]`.
    pub student: ArrayView2<'a, f32>,
    /// The teacher's, of the same shape.
    pub teacher: ArrayView2<'a, f32>,
    /// The class of each row; empty where they are not known.
    pub labels: &'a [u32],
    /// The position of each row in the data, by which an error names a sample; empty where it is
    /// the row itself.
    pub indices: &'a [usize],
    /// The epoch, for a temperature that changes with it.
    pub epoch: u64,
}

impl<'a> LogitBatch<'a> {
    /// Logits without labels, in epoch 0.
    pub fn new(student: ArrayView2<'a, f32>, teacher: ArrayView2<'a, f32>) -> Self {
        LogitBatch {
            student,
            teacher,
            labels: &[],
            indices: &[],
            epoch: 0,
        }
    }
}

/// A loss between logits: a function of arrays, which also gives its gradient. It is averaged over
/// the rows. [`crate::TeacherLoss`] makes a loss for training of it.
///
/// # Examples
/// ```
/// use compress_distill::{LogitBatch, LogitLoss, LogitMse};
/// use ndarray::array;
///
/// let (student, teacher) = (array![[1.0, 2.0]], array![[1.0, 5.0]]);
/// let mut gradient = array![[0.0, 0.0]];
/// let batch = LogitBatch::new(student.view(), teacher.view());
/// assert_eq!(LogitMse.evaluate(&batch, gradient.view_mut())?, 4.5);
/// assert_eq!(gradient, array![[0.0, -3.0]]);
/// # Ok::<(), compress_distill::Error>(())
/// ```
pub trait LogitLoss: Sync {
    /// Fails on a setting that is out of range. [`LogitLoss::evaluate`] asks it too.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Returns the loss and writes its gradient with respect to the student's logits into
    /// `gradient`, of the same shape, contiguous and row-major.
    ///
    /// # Errors
    /// Where a setting is out of range, there is no row, shapes disagree, a logit is not finite,
    /// labels are needed but missing, or the loss is not finite.
    fn evaluate(&self, batch: &LogitBatch<'_>, gradient: ArrayViewMut2<'_, f32>) -> Result<f32>;
}
