//! The cross-entropy loss on hard labels.

use compress_core::Result;
use compress_core::ops::cross_entropy::cross_entropy;
use compress_core::train::{Batch, Loss};
use ndarray::{ArrayView2, ArrayViewMut2};

/// Cross-entropy of the softmax of the logits against each sample's label, averaged over the
/// batch. The gradient of the logits is (softmax − one-hot) / batch.
///
/// # References
/// Goodfellow, Bengio, Courville, *Deep Learning*, 2016, section 6.2.2.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrossEntropy;

impl Loss for CrossEntropy {
    fn reads_inputs(&self) -> bool {
        false
    }

    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        Ok(cross_entropy(logits, batch.labels, batch.indices, gradient)? as f32)
    }
}
