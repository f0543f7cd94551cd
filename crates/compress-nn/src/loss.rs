//! The loss on hard labels.

use compress_core::ops::{elementwise, softmax};
use compress_core::train::{Batch, Loss};
use compress_core::{Error, Result};
use ndarray::{ArrayView2, ArrayViewMut2};

/// Cross-entropy of the softmax of the logits against each sample's label, averaged over the
/// batch. The gradient of the logits is (softmax − one-hot) / batch.
///
/// # References
/// Goodfellow, Bengio, Courville, *Deep Learning*, 2016, section 6.2.2.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrossEntropy;

impl Loss for CrossEntropy {
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        let (rows, classes) = logits.dim();
        check_labels(batch.labels, batch.indices, rows, classes)?;
        softmax::log_softmax(logits, 1.0, gradient.view_mut())?;
        let mut sum = 0.0;
        for (row, &label) in gradient.rows().into_iter().zip(batch.labels) {
            sum -= f64::from(row[label as usize]);
        }
        let Some(values) = gradient.as_slice_mut() else {
            return Err(Error::invalid(
                "gradient of the logits",
                "strided",
                "contiguous",
            ));
        };
        elementwise::exp(values)?;
        let factor = 1.0 / rows as f32;
        for (row, &label) in values.chunks_exact_mut(classes).zip(batch.labels) {
            row[label as usize] -= 1.0;
            row.iter_mut().for_each(|g| *g *= factor);
        }
        Ok((sum / rows as f64) as f32)
    }
}

/// Fails unless there are `rows` > 0 labels, all below `classes`; `indices` are the positions of
/// the samples, for the error.
pub(crate) fn check_labels(
    labels: &[u32],
    indices: &[usize],
    rows: usize,
    classes: usize,
) -> Result<()> {
    if rows == 0 {
        return Err(Error::Empty {
            what: "the batch".into(),
        });
    }
    Error::check_shape("labels of the batch", &[rows], &[labels.len()])?;
    match labels.iter().position(|&label| label as usize >= classes) {
        None => Ok(()),
        Some(row) => Err(Error::Label {
            index: indices.get(row).copied().unwrap_or(row),
            label: labels[row],
            classes,
        }),
    }
}
