//! The norm of each neuron's weights.

use compress_core::Result;
use compress_core::kernels::reduce::squared_norm;
use compress_core::mask::{Criterion, Scores};
use compress_core::network::{Network, Parameter};
use compress_core::ops::rows::add_column_squares;

use super::{finite_weights, score_each};

/// Scores a neuron by the L2 norm of its incoming weights, for structured pruning. Each weight gets
/// the score of its neuron.
///
/// Norms are summed in f64 in a fixed order. A norm beyond the range of f32 counts as `f32::MAX`.
///
/// # Errors
/// Where a weight is NaN or infinite.
///
/// # References
/// Li, Kadav, Durdanovic, Samet, Graf 2017 (1608.08710), section 3.1, for the norm of incoming
/// weights (they take L1 and find L2 alike, section 4.4).
#[derive(Clone, Copy, Debug, Default)]
pub struct NeuronNorm {
    /// Whether the norm is multiplied by that of the outgoing weights. The score of a ReLU neuron
    /// then does not depend on how its scale is divided between the two layers. The neurons of the
    /// last layer have no outgoing weights, so their score stays the norm of the incoming ones.
    pub outgoing: bool,
}

impl Criterion for NeuronNorm {
    fn name(&self) -> &'static str {
        "neuron_norm"
    }

    fn scores(&self, network: &dyn Network) -> Result<Scores> {
        let weights = finite_weights(network)?;
        let mut norms = Vec::with_capacity(weights.len());
        for (i, weight) in weights.iter().enumerate() {
            let next = weights.get(i + 1).filter(|_| self.outgoing);
            norms.push(neuron_norms(weight, next.copied())?);
        }
        Ok(score_each(&weights, |i| spread(&norms[i], weights[i])))
    }
}

/// The norm of each row, times that of the column of `next` that reads it.
fn neuron_norms(weight: &Parameter, next: Option<&Parameter>) -> Result<Vec<f64>> {
    let mut norms = Vec::new();
    for row in weight.matrix().rows() {
        norms.push(squared_norm(row.as_slice().unwrap_or_default())?.sqrt());
    }
    if let Some(next) = next {
        let mut squares = vec![0.0; next.matrix().ncols()];
        add_column_squares(next.matrix(), &mut squares)?;
        for (norm, square) in norms.iter_mut().zip(squares) {
            *norm *= square.sqrt();
        }
    }
    Ok(norms)
}

/// Each row filled with the score of its neuron.
fn spread(norms: &[f64], weight: &Parameter) -> Vec<f32> {
    let columns = weight.matrix().ncols();
    let mut scores = Vec::with_capacity(weight.values().len());
    for &norm in norms {
        let score = norm.min(f64::from(f32::MAX)) as f32;
        scores.extend(std::iter::repeat_n(score, columns));
    }
    scores
}
