//! Movement pruning: which weights training moves away from zero.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs, PerValue};
use compress_core::mask::Criterion;
use compress_core::tensor::TensorRef;

use super::per_value::{scores, signed};

/// Scores a weight by the sum of `−w·g` over the steps of a training run so far, in the order of
/// [`compress_core::mask::ranked`]: weights that training moves towards zero go first, however large
/// they are. Meant for fine-tuning of a model that was trained for something else.
///
/// Needs [`PerValue::Movement`], as [`crate::GradualPruning`] adds it up. A weight that is pruned for
/// good keeps its sum. Where pruned weights learn behind the mask ([`crate::Regrowth::Allowed`]),
/// their sums go on, as in the paper.
///
/// # References
/// Sanh, Wolf, Rush 2020 (2005.07683), section 4, for the sum without its constant factor, the
/// learning rate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Movement;

impl Criterion for Movement {
    fn name(&self) -> &'static str {
        "movement"
    }

    fn needs(&self) -> Needs {
        Needs::of(&[PerValue::Movement])
    }

    fn only_ranks(&self) -> bool {
        true
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let kind = PerValue::Movement;
        scores(self, kind, weight, evidence, |_, movement| signed(movement))
    }
}
