//! How much the loss would change without a neuron, to first order.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs, PerValue};
use compress_core::mask::Criterion;
use compress_core::tensor::{TensorRef, matrix_shape};

use super::neurons::{for_each_weight, rows};

/// Scores a neuron (a row of a weight, a filter) by the square of the sum of `g·w` over its incoming
/// weights: to first order, the squared change of the loss when all of them become zero. Each weight
/// gets the score of its neuron.
///
/// Needs the gradient of a loss. Sums are taken in f64 in order. A score beyond the range of f32
/// counts as `f32::MAX`.
///
/// A neuron's bias is left out, though it goes with the neuron: a criterion sees one weight at a
/// time. The gradient is averaged before the square is taken. The paper squares in each batch, and
/// averages the squares. Here gradients of batches that point in opposite directions cancel: at a
/// minimum of the loss all scores come near zero, while those of the paper stay. In return a score
/// does not depend on how the data is cut into batches.
///
/// # References
/// Molchanov, Mallya, Tyree, Frosio, Kautz 2019 (1906.10771), equation 8.
#[derive(Clone, Copy, Debug, Default)]
pub struct NeuronTaylor;

impl Criterion for NeuronTaylor {
    fn name(&self) -> &'static str {
        "neuron_taylor"
    }

    fn needs(&self) -> Needs {
        Needs::of(&[PerValue::Gradient])
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let (count, inputs) = (weight.values.len(), matrix_shape(weight.shape).1);
        let gradient = evidence.values(PerValue::Gradient, self.name(), weight.name, count)?;
        let product = |(&w, &g): (&f32, &f32)| f64::from(w) * f64::from(g);
        let score = |(row, gradient): (&[f32], &[f32])| {
            let sum: f64 = row.iter().zip(gradient).map(product).sum();
            sum * sum
        };
        let gradients = gradient.chunks(inputs.max(1));
        let scores = rows(weight)?.zip(gradients).map(score);
        Ok(for_each_weight(scores, inputs))
    }
}
