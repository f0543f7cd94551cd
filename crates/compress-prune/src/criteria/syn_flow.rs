//! Synaptic flow: pruning at initialization without data.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs, PerValue};
use compress_core::mask::Criterion;
use compress_core::tensor::TensorRef;

use super::per_value::{scores, unsigned};

/// Scores a weight by `|w|·∂R/∂|w|`, where R is the sum over all paths from an input to an output of
/// the product of the magnitudes along the path: the sum of those products over the paths through the
/// weight. Needs no data.
///
/// Meant for many rounds, in which the density falls exponentially and the flow is found anew
/// ([`crate::prune_in_rounds`]; the paper takes 100), with a structure that ranks all weights
/// together ([`crate::Global`]). In a single round to a low density, large layers lose all of their
/// weights: their flow is the same in sum, but each weight has a smaller part of it.
///
/// Needs [`PerValue::SynapticFlow`]. A score beyond the range of f32 counts as `f32::MAX`.
///
/// # References
/// Tanaka, Kunin, Yamins, Ganguli 2020 (2006.05467), section 6, equation 2 and algorithm 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct SynFlow;

impl Criterion for SynFlow {
    fn name(&self) -> &'static str {
        "syn_flow"
    }

    fn needs(&self) -> Needs {
        Needs::of(&[PerValue::SynapticFlow])
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let kind = PerValue::SynapticFlow;
        scores(self, kind, weight, evidence, |w, flow| {
            unsigned(w.abs() * flow)
        })
    }
}
