//! What a loss between features is.

use compress_core::Result;
use ndarray::{Array2, ArrayView2};

/// A loss between what a layer of the student and one of the teacher give for the same batch: a
/// function of two arrays, averaged over the batch.
///
/// # Examples
/// ```
/// use compress_distill::features::{FeatureLoss, Hint};
/// use ndarray::array;
///
/// let (student, teacher) = (array![[1.0, 2.0]], array![[1.0, 4.0]]);
/// let (loss, gradient) = Hint::new().evaluate(student.view(), teacher.view())?;
/// assert_eq!((loss, gradient), (2.0, array![[0.0, -2.0]]));
/// # Ok::<(), compress_core::Error>(())
/// ```
pub trait FeatureLoss: Sync {
    /// The loss between the features of `student` `[batch, features]` and `teacher`
    /// `[batch, features]`, and its gradient with respect to the student's, of their shape. The
    /// widths may differ where the loss says so.
    ///
    /// # Errors
    /// Where the batch is empty, shapes disagree, or a feature, the loss or its gradient is not
    /// finite.
    fn evaluate(
        &self,
        student: ArrayView2<'_, f32>,
        teacher: ArrayView2<'_, f32>,
    ) -> Result<(f32, Array2<f32>)>;
}
