//! The sum of the magnitudes of each neuron's weights.

use compress_core::Result;
use compress_core::evidence::Evidence;
use compress_core::mask::Criterion;
use compress_core::tensor::{TensorRef, matrix_shape};

use super::neurons::{for_each_weight, rows};

/// Scores a neuron (a row of a weight, a filter) by the L1 norm of its incoming weights, the sum of
/// their magnitudes, for structured pruning. Each weight gets the score of its neuron.
///
/// Sums are taken in f64 in order. A norm beyond the range of f32 counts as `f32::MAX`.
///
/// # References
/// Li, Kadav, Durdanovic, Samet, Graf 2017 (1608.08710), section 3.1.
#[derive(Clone, Copy, Debug, Default)]
pub struct NeuronL1;

impl Criterion for NeuronL1 {
    fn name(&self) -> &'static str {
        "neuron_l1"
    }

    fn score(&self, weight: TensorRef<'_>, _: &Evidence<'_>) -> Result<Vec<f32>> {
        let norm = |row: &[f32]| row.iter().map(|&w| f64::from(w.abs())).sum::<f64>();
        let norms = rows(weight)?.map(norm);
        Ok(for_each_weight(norms, matrix_shape(weight.shape).1))
    }
}
