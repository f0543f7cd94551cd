//! What every loss checks: its batch, its labels, its value.

use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::{ArrayView2, ArrayViewMut2};

use super::LogitBatch;
use crate::{Error, Result};

/// Fails unless the batch has rows and the gradient is as the logits, contiguous and row-major.
pub(super) fn check_batch(
    logits: ArrayView2<'_, f32>,
    gradient: &ArrayViewMut2<'_, f32>,
) -> CoreResult<()> {
    if logits.is_empty() {
        let what = "the batch".into();
        return Err(CoreError::Empty { what });
    }
    CoreError::check_shape("gradient of a loss", logits.shape(), gradient.shape())?;
    if gradient.is_standard_layout() {
        Ok(())
    } else {
        let expected = "contiguous and row-major";
        Err(CoreError::invalid(
            "gradient of a loss",
            "strided",
            expected,
        ))
    }
}

/// Fails unless the batch and its gradient are right for a loss between logits. Values are not
/// looked at.
pub(super) fn check_compared(
    batch: &LogitBatch<'_>,
    gradient: &ArrayViewMut2<'_, f32>,
) -> Result<()> {
    check_batch(batch.student, gradient)?;
    let (rows, student) = batch.student.dim();
    let (found, teacher) = batch.teacher.dim();
    if teacher != student {
        return Err(Error::Outputs { teacher, student });
    }
    CoreError::check_shape("the teacher's logits", &[rows], &[found])?;
    Ok(())
}

/// Fails at the first logit that is not finite once it is divided by the temperature.
pub(super) fn check_finite(batch: &LogitBatch<'_>, temperature: f32) -> Result<()> {
    crate::logits::check_finite(1, batch.teacher, temperature)?;
    check_student(batch.student)
}

/// Fails at the first logit of a student that is not finite.
pub(super) fn check_student(logits: ArrayView2<'_, f32>) -> Result<()> {
    match logits.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(index) => Err(CoreError::NonFinite {
            what: "the student's logits".into(),
            index,
            value: logits.iter().nth(index).copied().unwrap_or(f32::NAN),
        }
        .into()),
    }
}

/// Fails unless a weight of a loss is finite and not negative.
pub(super) fn check_weight(name: &str, value: f32) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(CoreError::invalid(name, value, "finite and not negative").into())
    }
}

/// The loss as f32; an error where it is not finite there.
pub(super) fn finite(value: f64) -> Result<f32> {
    let loss = value as f32;
    if loss.is_finite() {
        Ok(loss)
    } else {
        Err(Error::Diverged { value })
    }
}

/// Fails unless each of `samples` has a label that names a class. `indices` are the samples'
/// positions in the data; empty where they are all of it.
pub(crate) fn check_labels(
    labels: &[u32],
    indices: &[usize],
    samples: usize,
    classes: usize,
) -> Result<()> {
    if labels.len() != samples {
        let labels = labels.len();
        return Err(Error::LabelsMissing { samples, labels });
    }
    Ok(CoreError::check_labels(labels, indices, classes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_beyond_f32_is_not_finite() {
        assert_eq!(finite(3e38).unwrap(), 3e38);
        for value in [1e39, f64::INFINITY, f64::NAN] {
            assert!(matches!(finite(value), Err(Error::Diverged { .. })));
        }
    }
}
