//! The validation loss of a network without a layer.

use compress_core::network::Forward;
use compress_core::ops::cross_entropy::cross_entropy;
use compress_core::train::{Samples, predict};
use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::Array2;

use crate::Result;
use crate::layer_criterion::LayerCriterion;

/// Scores the removal of a layer by the mean cross-entropy that is left on the validation
/// samples, in nats, without any repair. `None` where the loss is not finite.
///
/// # Errors
/// Where there are no samples, they have no labels, or a label names no output.
///
/// # References
/// Kim et al. 2024 (2402.02834), the perplexity criterion: each block is scored by the perplexity,
/// the exponential of this loss, of the model without it.
#[derive(Clone, Copy, Debug, Default)]
pub struct LayerLoss;

impl LayerCriterion for LayerLoss {
    fn name(&self) -> &'static str {
        "layer_loss"
    }

    fn score(&self, candidate: &dyn Forward, validation: &dyn Samples) -> Result<Option<f32>> {
        check_labels(validation, candidate.outputs())?;
        let logits = predict(candidate, validation, 0)?;
        // The gradient is not used.
        let mut gradient = Array2::zeros(logits.raw_dim());
        let labels = validation.labels();
        let loss = cross_entropy(logits.view(), labels, &[], gradient.view_mut())? as f32;
        Ok(loss.is_finite().then_some(loss))
    }
}

fn check_labels(validation: &dyn Samples, classes: usize) -> CoreResult<()> {
    if validation.is_empty() {
        return Err(CoreError::Empty {
            what: "the validation data".into(),
        });
    }
    let labels = validation.labels();
    CoreError::check_shape("validation labels", &[validation.len()], &[labels.len()])?;
    CoreError::check_labels(labels, &[], classes)
}
