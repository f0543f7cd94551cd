//! Cross-entropy with the labels.

use compress_core::Result;
use compress_core::train::{Batch, Loss};
use ndarray::{ArrayView2, ArrayViewMut2};

use super::{check_batch, check_labels, mean, probabilities};

/// The mean over the batch of −ln softmax(z), taken at the label, in nats, z being the logits. Its gradient is
/// (softmax(z) − one-hot(label)) / batch.
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
/// Goodfellow, Bengio, Courville, *Deep learning*, MIT Press 2016, section 6.2.2.3, softmax units.
#[derive(Clone, Copy, Debug, Default)]
pub struct HardLabels;

impl Loss for HardLabels {
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        check_batch(logits, &gradient)?;
        check_labels(batch, logits.nrows(), logits.ncols())?;
        let value = probabilities(logits, 1.0, &mut gradient, |logarithms| {
            let rows = logarithms.rows().into_iter().zip(batch.labels);
            let losses = rows.map(|(row, &label)| -f64::from(row[label as usize]));
            Ok(mean(losses.sum(), logits.nrows())?)
        })?;
        let factor = 1.0 / logits.nrows() as f32;
        for (mut row, &label) in gradient.rows_mut().into_iter().zip(batch.labels) {
            row[label as usize] -= 1.0;
            row.map_inplace(|g| *g *= factor);
        }
        Ok(value)
    }
}
