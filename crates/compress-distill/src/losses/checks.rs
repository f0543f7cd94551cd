//! What every loss checks: its batch, its labels, its value.

use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::{ArrayView2, ArrayViewMut2};

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
