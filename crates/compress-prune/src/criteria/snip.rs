//! Connection sensitivity: pruning at initialization.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs, PerValue};
use compress_core::mask::Criterion;
use compress_core::tensor::TensorRef;

use super::per_value::{scores, unsigned};

/// Scores a weight by its connection sensitivity: with each weight written as `c·w`, the magnitude of
/// the loss's derivative with respect to c at 1. Meant for weights as they were initialized, before
/// any training, with a structure that ranks all of them together ([`crate::Global`]). The paper
/// divides by the sum of all scores, which leaves their order as it is.
///
/// That derivative is `w·g`, so the scores are those of [`crate::Taylor`]; the two differ in when they are
/// asked. Needs [`PerValue::Gradient`].
///
/// # References
/// Lee, Ajanthan, Torr 2019 (1810.02340), section 4.1, equations 4 and 5.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snip;

impl Criterion for Snip {
    fn name(&self) -> &'static str {
        "snip"
    }

    fn needs(&self) -> Needs {
        Needs::of(&[PerValue::Gradient])
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let kind = PerValue::Gradient;
        scores(self, kind, weight, evidence, |w, g| unsigned((w * g).abs()))
    }
}
