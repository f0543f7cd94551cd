//! Cross-entropy with the labels.

use compress_core::Result;
use compress_core::ops::cross_entropy::cross_entropy;
use compress_core::train::{Batch, Loss};
use ndarray::{ArrayView2, ArrayViewMut2};

use super::checks::{check_batch, check_labels, finite};

/// The cross-entropy with the labels: −ln softmax(z) at the label, in nats, averaged over the
/// batch, where z are the logits. Its gradient is (softmax(z) − one-hot(label)) / batch.
///
/// # Errors
/// Where labels are missing or name no output, shapes differ, or the loss is not finite.
///
/// # Examples
/// ```
/// use compress_core::train::{Batch, Loss};
/// use compress_distill::HardLabels;
/// use ndarray::array;
///
/// let inputs = array![[0.0]];
/// let batch = Batch { inputs: inputs.view(), labels: &[1], indices: &[0], epoch: 0 };
/// let mut gradient = array![[0.0, 0.0]];
/// let loss = HardLabels.evaluate(array![[2.0, 2.0]].view(), &batch, gradient.view_mut())?;
/// assert!((loss - std::f32::consts::LN_2).abs() < 1e-6);
/// assert_eq!(gradient, array![[0.5, -0.5]]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Bishop 2006, Pattern Recognition and Machine Learning, section 4.3.4, equations 4.108 (the
/// loss) and 4.109 (its gradient).
#[derive(Clone, Copy, Debug, Default)]
pub struct HardLabels;

impl Loss for HardLabels {
    fn reads_inputs(&self) -> bool {
        false
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        check_batch(logits, &gradient)?;
        let (labels, indices) = (batch.labels, batch.indices);
        check_labels(labels, indices, logits.nrows(), logits.ncols())?;
        Ok(finite(cross_entropy(logits, labels, indices, gradient)?)?)
    }
}
