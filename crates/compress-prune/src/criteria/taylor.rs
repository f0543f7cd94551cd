//! The first-order Taylor expansion of the loss.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs, PerValue};
use compress_core::mask::Criterion;
use compress_core::tensor::TensorRef;

use super::per_value::{scores, unsigned};

/// Scores a weight by `|w·g|`, where g is the gradient of the loss: to first order, how much the
/// loss changes when the weight becomes zero. For trained models, alone or while they are trained
/// further.
///
/// Needs [`PerValue::Gradient`]: of the whole data by [`compress_core::differentiate::evidence`], or
/// of the step before a pruning in [`crate::GradualPruning`]. A score beyond the range of f32 counts
/// as `f32::MAX`.
///
/// The gradient of the whole data is averaged before its product is taken. The papers take the
/// magnitude or the square in each batch, and average those. Here gradients of batches that point in
/// opposite directions cancel: at a minimum of the loss all scores come near zero, while those of the
/// papers stay. In return a score does not depend on how the data is cut into batches.
///
/// # References
/// Molchanov, Tyree, Karras, Aila, Kautz 2017 (1611.06440), equation 8, for activations; Molchanov,
/// Mallya, Tyree, Frosio, Kautz 2019 (1906.10771), section 3.1, for weights, by the square, which
/// ranks alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taylor;

impl Criterion for Taylor {
    fn name(&self) -> &'static str {
        "taylor"
    }

    fn needs(&self) -> Needs {
        Needs::of(&[PerValue::Gradient])
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let kind = PerValue::Gradient;
        scores(self, kind, weight, evidence, |w, g| unsigned((w * g).abs()))
    }
}
