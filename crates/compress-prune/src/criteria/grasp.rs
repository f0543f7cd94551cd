//! Gradient signal preservation: pruning at initialization.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs, PerValue};
use compress_core::mask::Criterion;
use compress_core::tensor::TensorRef;

use super::per_value::{scores, signed};

/// Scores a weight by `w·(H·g)`, in the order of [`compress_core::mask::ranked`], with the Hessian H
/// and the gradient g of the loss. To first order, `‖g‖²` rises by twice `S = −w·(H·g)` when the
/// weight becomes zero. The weights with the highest S are pruned: those whose removal harms the flow
/// of gradients least, or helps it most. Meant for weights as they were initialized, with a structure
/// that ranks all of them together ([`crate::Global`]).
///
/// Needs [`PerValue::HessianGradient`]. There, g is the gradient of all parameters, also of biases,
/// which the paper leaves out.
///
/// # References
/// Wang, Zhang, Grosse 2020 (2002.07376), section 4.1, for S(−θ) = −θ ⊙ Hg, and algorithm 1, which
/// keeps the weights whose S is lowest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grasp;

impl Criterion for Grasp {
    fn name(&self) -> &'static str {
        "grasp"
    }

    fn needs(&self) -> Needs {
        Needs::of(&[PerValue::HessianGradient])
    }

    fn only_ranks(&self) -> bool {
        true
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let kind = PerValue::HessianGradient;
        scores(self, kind, weight, evidence, |w, product| {
            signed(w * product)
        })
    }
}
