//! How good a network is on labelled samples.

use compress_core::kernels::memory::row_major;
use compress_core::network::Forward;
use compress_core::ops::softmax;
use compress_core::train::Samples;
use compress_core::{Error, Result};
use ndarray::Array2;

use crate::rows::first_mut;

/// Rows of a batch: enough to fill the kernels, few enough for the cache.
const BATCH: usize = 512;

/// What [`evaluate`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Samples whose largest logit is not that of their label. Of equal logits the first counts.
    pub errors: usize,
    /// How many samples there are.
    pub samples: usize,
    /// The mean cross-entropy over the samples, in nats.
    pub cross_entropy: f32,
}

/// Counts the wrong predictions on `data`, as it is in epoch 0, and averages the cross-entropy.
///
/// # Errors
/// Where there are no samples or labels, a label names no class, shapes disagree, or a logit is
/// not finite.
pub fn evaluate(network: &dyn Forward, data: &dyn Samples) -> Result<Evaluation> {
    if data.is_empty() {
        return Err(Error::Empty {
            what: "the data".into(),
        });
    }
    Error::check_shape("labels", &[data.len()], &[data.labels().len()])?;
    let mut inputs = Array2::zeros((BATCH.min(data.len()), data.features()));
    let mut log_probabilities = Array2::zeros((0, 0));
    let (mut errors, mut sum) = (0, 0.0);
    for start in (0..data.len()).step_by(BATCH) {
        let indices: Vec<usize> = (start..data.len().min(start + BATCH)).collect();
        let labels = &data.labels()[start..start + indices.len()];
        let mut rows = first_mut(&mut inputs, indices.len());
        data.fill(0, &indices, rows.view_mut())?;
        let logits = network.forward(rows.view())?;
        Error::check_shape("rows of logits", &[indices.len()], &[logits.nrows()])?;
        Error::check_labels(labels, &indices, logits.ncols())?;
        // A network may give them in any layout.
        let logits = row_major("the logits", logits.view())?;
        Error::check_finite("the logits", logits.as_slice().unwrap_or_default())?;
        if log_probabilities.dim() != logits.dim() {
            log_probabilities = Array2::zeros(logits.dim());
        }
        softmax::log_softmax(logits.view(), 1.0, log_probabilities.view_mut())?;
        for (row, (&label, logits)) in labels.iter().zip(logits.rows()).enumerate() {
            let label = label as usize;
            sum -= f64::from(log_probabilities[(row, label)]);
            let wins = |(class, &logit): (usize, &f32)| {
                logit < logits[label] || (logit == logits[label] && class >= label)
            };
            errors += usize::from(!logits.iter().enumerate().all(wins));
        }
    }
    Ok(Evaluation {
        errors,
        samples: data.len(),
        cross_entropy: (sum / data.len() as f64) as f32,
    })
}
