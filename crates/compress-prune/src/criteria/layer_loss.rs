//! The validation loss of a network that a layer was taken out of.

use compress_core::network::Network;
use compress_core::ops::softmax::log_softmax;
use compress_core::train::{Samples, predict};
use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::Array2;

use super::LayerCriterion;
use crate::Result;

/// Scores the removal of a layer by the mean cross-entropy that is left on the validation
/// samples, in nats, without any repair. `None` where the loss is not finite.
///
/// # Errors
/// Where there are no samples, they have no labels, or a label names no output.
///
/// # References
/// Goodfellow, Bengio, Courville, *Deep learning*, MIT Press 2016, section 6.2.2.3, for the loss.
#[derive(Clone, Copy, Debug, Default)]
pub struct LayerLoss;

impl LayerCriterion for LayerLoss {
    fn name(&self) -> &'static str {
        "layer_loss"
    }

    fn score(&self, candidate: &dyn Network, validation: &dyn Samples) -> Result<Option<f32>> {
        check_labels(validation, candidate.architecture().outputs())?;
        let logits = predict(candidate, validation, 0)?;
        let loss = cross_entropy(&logits, validation.labels())?;
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
    match labels.iter().position(|&label| label as usize >= classes) {
        None => Ok(()),
        Some(index) => Err(CoreError::Label {
            index,
            label: labels[index],
            classes,
        }),
    }
}

fn cross_entropy(logits: &Array2<f32>, labels: &[u32]) -> CoreResult<f32> {
    let mut log_probabilities = Array2::zeros(logits.raw_dim());
    log_softmax(logits.view(), 1.0, log_probabilities.view_mut())?;
    let rows = log_probabilities.rows().into_iter();
    let sum: f64 = rows
        .zip(labels)
        .map(|(row, &label)| -f64::from(row[label as usize]))
        .sum();
    Ok((sum / labels.len() as f64) as f32)
}
