//! The norm of each neuron's weights.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs};
use compress_core::kernels::reduce::squared_norm;
use compress_core::mask::Criterion;
use compress_core::tensor::{TensorRef, matrix_shape};

use super::neurons::{for_each_weight, rows};

/// Scores a neuron (a row of a weight, a filter) by the L2 norm of its incoming weights, for
/// structured pruning. Each weight gets the score of its neuron.
///
/// Norms are summed in f64 in a fixed order. A norm beyond the range of f32 counts as `f32::MAX`.
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

    fn needs(&self) -> Needs {
        Needs {
            readers: self.outgoing,
            ..Needs::default()
        }
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let rows = rows(weight)?;
        let (neurons, inputs) = matrix_shape(weight.shape);
        let readers = match self.outgoing {
            true => evidence.readers(self.name(), weight.name, neurons)?,
            false => None,
        };
        let mut norms = Vec::with_capacity(rows.len());
        for (index, row) in rows.enumerate() {
            let outgoing = readers.map_or(1.0, |readers| readers[index]);
            norms.push(squared_norm(row)?.sqrt() * outgoing);
        }
        Ok(for_each_weight(norms, inputs))
    }
}
