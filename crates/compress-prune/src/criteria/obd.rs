//! Optimal Brain Damage with the empirical Fisher information.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs, PerValue};
use compress_core::mask::Criterion;
use compress_core::tensor::TensorRef;

use super::per_value::{scores, unsigned};

/// Scores a weight by `w²·F`: Optimal Brain Damage (OBD), where the diagonal F of the empirical
/// Fisher information takes the place of the Hessian's. F is the mean over samples of the squared
/// gradient of a single one. Half of the score is an estimate of how much the loss rises when the
/// weight becomes zero: to second order, at a minimum, without interactions of weights.
///
/// Needs [`PerValue::SquaredGradient`]. A score beyond the range of f32 counts as `f32::MAX`.
///
/// # References
/// LeCun, Denker, Solla 1990, *Optimal brain damage*, equation 3 and step 4 of the recipe, for the
/// saliency; Theis, Korshunova, Tejani, Huszár 2018 (1801.05787), section 2.1, for the Fisher
/// information in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Obd;

impl Criterion for Obd {
    fn name(&self) -> &'static str {
        "obd"
    }

    fn needs(&self) -> Needs {
        Needs::of(&[PerValue::SquaredGradient])
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let kind = PerValue::SquaredGradient;
        scores(self, kind, weight, evidence, |w, f| unsigned(w * w * f))
    }
}
