//! The norm of the weights at each neuron.

use compress_core::Result;
use compress_core::mask::{Criterion, Scores};
use compress_core::network::{Network, Parameter};
use ndarray::ArrayView1;

use super::{finite_weights, score_each};

/// Scores a neuron by the L2 norm of its incoming weights; each weight carries the score of the
/// neuron that it leads to.
///
/// Norms are summed in f64 in a fixed order; one beyond the range of f32 counts as `f32::MAX`.
///
/// # Errors
/// Where a weight is NaN or infinite.
///
/// # References
/// Li, Kadav, Durdanovic, Samet, Graf 2017 (1608.08710), section 3.1, for the norm of incoming
/// weights (they take L1 and find L2 alike, section 4.4).
#[derive(Clone, Copy, Debug, Default)]
pub struct NeuronNorm {
    /// Whether the norm is multiplied by that of the outgoing weights, which makes the score of
    /// a ReLU neuron independent of how scale is divided between the two layers. The neurons of
    /// the last layer have no outgoing weights, so theirs stays the norm of the incoming ones.
    pub outgoing: bool,
}

impl Criterion for NeuronNorm {
    fn name(&self) -> &'static str {
        "neuron_norm"
    }

    fn scores(&self, network: &dyn Network) -> Result<Scores> {
        let weights = finite_weights(network)?;
        let score = |i: usize| {
            let mut norms: Vec<f64> = incoming(weights[i]);
            if let Some(next) = weights.get(i + 1).filter(|_| self.outgoing) {
                for (norm, out) in norms.iter_mut().zip(outgoing(next)) {
                    *norm *= out;
                }
            }
            spread(&norms, weights[i])
        };
        Ok(score_each(&weights, score))
    }
}

/// The norm of each row.
fn incoming(weight: &Parameter) -> Vec<f64> {
    let norm = |row: ArrayView1<'_, f32>| sum_of_squares(row.as_slice().unwrap_or_default());
    weight
        .matrix()
        .rows()
        .into_iter()
        .map(|row| norm(row).sqrt())
        .collect()
}

/// The norm of each column.
fn outgoing(weight: &Parameter) -> Vec<f64> {
    let matrix = weight.matrix();
    let mut sums = vec![0.0; matrix.ncols()];
    for row in matrix.rows() {
        for (sum, &w) in sums.iter_mut().zip(row) {
            *sum += f64::from(w) * f64::from(w);
        }
    }
    sums.into_iter().map(f64::sqrt).collect()
}

/// Eight interleaved sums, so that they vectorize, added up in order.
fn sum_of_squares(values: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    let chunks = values.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &w) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(w) * f64::from(w);
        }
    }
    for (lane, &w) in lanes.iter_mut().zip(rest) {
        *lane += f64::from(w) * f64::from(w);
    }
    lanes.iter().sum()
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
