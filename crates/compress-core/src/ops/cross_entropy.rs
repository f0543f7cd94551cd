//! Cross-entropy of logits against labels: what classification trains on and is judged by.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::{elementwise, softmax};
use crate::{Error, Result};

/// The mean over the rows of −ln softmax(z), taken at the row's label, in nats, z being the
/// logits `[rows, classes]`; summed in f64 in the order of the rows. Its gradient,
/// (softmax(z) − one-hot(label)) / rows, goes into `gradient`, of the same shape.
///
/// `indices` are the positions of the rows in the data, by which an error names a sample; a row
/// without one is named by its own position. The loss is not finite where the logits are not.
///
/// # Errors
/// Where there is no row, labels are missing or name no class, the shapes differ, or `gradient`
/// is not contiguous and row-major.
///
/// # References
/// Bishop 2006, Pattern Recognition and Machine Learning, section 4.3.4, equations 4.108 (the
/// loss) and 4.109 (its gradient).
pub fn cross_entropy(
    logits: ArrayView2<'_, f32>,
    labels: &[u32],
    indices: &[usize],
    mut gradient: ArrayViewMut2<'_, f32>,
) -> Result<f64> {
    let (rows, classes) = logits.dim();
    if rows == 0 {
        return Err(Error::Empty {
            what: "the batch".into(),
        });
    }
    Error::check_shape("labels of the batch", &[rows], &[labels.len()])?;
    Error::check_labels(labels, indices, classes)?;
    softmax::log_softmax(logits, 1.0, gradient.view_mut())?;
    let Some(values) = gradient.as_slice_mut() else {
        let what = "gradient of the logits";
        return Err(Error::invalid(what, "strided", "contiguous"));
    };
    let mut sum = 0.0;
    for (row, &label) in values.chunks_exact(classes).zip(labels) {
        sum -= f64::from(row[label as usize]);
    }
    elementwise::exp(values)?;
    let factor = 1.0 / rows as f32;
    for (row, &label) in values.chunks_exact_mut(classes).zip(labels) {
        row[label as usize] -= 1.0;
        row.iter_mut().for_each(|g| *g *= factor);
    }
    Ok(sum / rows as f64)
}
