//! Cross-entropy with smoothed labels.

use compress_core::ops::{elementwise, softmax};
use compress_core::train::{Batch, Loss};
use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::{ArrayView2, ArrayViewMut2};

use super::checks::{check_batch, check_labels, check_student, finite};
use crate::Result;

/// The cross-entropy with labels that leave a share ε to all classes alike, averaged over the
/// batch, in nats, for logits z of K classes:
///
/// ```text
/// −Σ t · ln softmax(z)    t = (1 − ε) · one-hot(label) + ε / K
/// ```
///
/// Its gradient is (softmax(z) − t) / batch. It needs no teacher: a uniform one takes its place.
///
/// # Errors
/// Where labels are missing or name no output, shapes differ, a logit or the loss is not finite.
///
/// # Examples
/// ```
/// use compress_core::train::{Batch, Loss};
/// use compress_distill::LabelSmoothing;
/// use ndarray::array;
///
/// let inputs = array![[0.0]];
/// let batch = Batch { inputs: inputs.view(), labels: &[1], indices: &[0], epoch: 0 };
/// let mut gradient = array![[0.0, 0.0]];
/// let loss = LabelSmoothing::new(0.5)?;
/// loss.evaluate(array![[2.0, 2.0]].view(), &batch, gradient.view_mut())?;
/// assert_eq!(gradient, array![[0.25, -0.25]]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Szegedy et al. 2016 (1512.00567), section 7.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelSmoothing {
    smoothing: f32,
}

/// ε = 0.1, as in the paper.
impl Default for LabelSmoothing {
    fn default() -> Self {
        LabelSmoothing { smoothing: 0.1 }
    }
}

impl LabelSmoothing {
    /// Leaves the share `smoothing` (ε) to all classes alike, from 0 to 1. With 0 it is
    /// [`crate::HardLabels`].
    ///
    /// # Errors
    /// Where the share is out of range.
    pub fn new(smoothing: f32) -> Result<Self> {
        if (0.0..=1.0).contains(&smoothing) {
            Ok(LabelSmoothing { smoothing })
        } else {
            Err(CoreError::invalid("smoothing", smoothing, "from 0 to 1").into())
        }
    }
}

impl Loss for LabelSmoothing {
    fn reads_inputs(&self) -> bool {
        false
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> CoreResult<f32> {
        check_batch(logits, &gradient)?;
        let (rows, classes) = logits.dim();
        check_labels(batch.labels, batch.indices, rows, classes)?;
        check_student(logits)?;
        softmax::log_softmax(logits, 1.0, gradient.view_mut())?;
        let values = gradient.as_slice_mut().unwrap_or_default();
        let (kept, shared) = (1.0 - self.smoothing, self.smoothing / classes as f32);
        let mut sum = 0.0;
        for (row, &label) in values.chunks_exact(classes).zip(batch.labels) {
            let all: f64 = row.iter().map(|&ln| f64::from(ln)).sum();
            sum -= f64::from(kept) * f64::from(row[label as usize]) + f64::from(shared) * all;
        }
        elementwise::exp(values)?;
        let factor = 1.0 / rows as f32;
        for (row, &label) in values.chunks_exact_mut(classes).zip(batch.labels) {
            row[label as usize] -= kept;
            row.iter_mut().for_each(|g| *g = (*g - shared) * factor);
        }
        Ok(finite(sum / rows as f64)?)
    }
}
