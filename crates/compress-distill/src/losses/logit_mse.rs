//! The squared distance of the student's logits from the teacher's.

use ndarray::ArrayViewMut2;

use super::checks::{check_compared, check_finite, finite};
use super::{LogitBatch, LogitLoss};
use crate::Result;

/// Half of the squared distance between the logits z of student and teacher, averaged over the
/// batch:
///
/// ```text
/// ½ · Σ (z_student − z_teacher)²
/// ```
///
/// Its gradient is (z_student − z_teacher) / batch. For logits with a mean of zero it is the limit
/// of `classes` times [`crate::SoftTargets`] at high temperatures.
///
/// # References
/// Ba, Caruana 2014 (1312.6184), section 2.2, equation 1. Kim et al. 2021 (2105.08919), section 3,
/// compare it with the KL divergence; their loss is twice as large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogitMse;

impl LogitLoss for LogitMse {
    fn evaluate(
        &self,
        batch: &LogitBatch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        check_compared(batch, &gradient)?;
        check_finite(batch, 1.0)?;
        let rows = batch.student.nrows() as f64;
        let mut sum = 0.0;
        let logits = batch.student.iter().zip(&batch.teacher);
        for (g, (&student, &teacher)) in gradient.iter_mut().zip(logits) {
            let difference = f64::from(student) - f64::from(teacher);
            sum += difference * difference;
            *g = (difference / rows) as f32;
        }
        finite(0.5 * sum / rows)
    }
}
