//! Wanda: weights and activations.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs};
use compress_core::mask::Criterion;
use compress_core::tensor::{TensorRef, matrix_shape};

/// Scores a weight by `|w|·‖x‖`: its magnitude, times the Euclidean norm over the calibration data
/// of what it multiplies. A weight that reads nothing scores zero. Meant for a structure that ranks
/// the weights of each output by themselves ([`crate::PerRow`]).
///
/// Needs statistics of the inputs. A score beyond the range of f32 counts as `f32::MAX`.
///
/// # References
/// Sun, Liu, Bair, Kolter 2024, *A simple and effective pruning approach for large language models*
/// (2306.11695), equation 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanda;

impl Criterion for Wanda {
    fn name(&self) -> &'static str {
        "wanda"
    }

    fn needs(&self) -> Needs {
        Needs {
            inputs: true,
            ..Needs::default()
        }
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let (_, columns) = matrix_shape(weight.shape);
        let norms = evidence.inputs(self.name(), weight.name, columns)?.norms();
        weight.check_finite()?;
        let score =
            |(w, norm): (&f32, &f64)| (f64::from(w.abs()) * norm).min(f64::from(f32::MAX)) as f32;
        let rows = weight.values.chunks(columns.max(1));
        Ok(rows
            .flat_map(|row| row.iter().zip(&norms).map(score))
            .collect())
    }
}
