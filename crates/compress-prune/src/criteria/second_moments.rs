//! The second moments of an optimizer as an estimate of how much the loss would rise.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs, PerValue};
use compress_core::mask::Criterion;
use compress_core::tensor::TensorRef;

use super::per_value::{scores, unsigned};

/// Scores a weight by `w²·v`, where v is the running mean of the squared gradient that Adam keeps
/// (its second moment). It takes the place of the Hessian's diagonal in Optimal Brain Damage, and
/// costs nothing beyond Adam itself.
///
/// v is not the empirical Fisher information that [`crate::Obd`] takes: Adam squares the mean
/// gradient of a batch, not the gradients of single samples. Where these are independent with a mean
/// near zero, v is smaller by a factor of the batch size for all weights, and the ranking is the
/// same. Gradient clipping and coupled weight decay also enter v.
///
/// Needs an optimizer's second moments, as [`crate::GradualPruning`] collects them.
///
/// # References
/// LeCun, Denker, Solla 1990, *Optimal brain damage*, equation 3 and step 4 of the recipe, for the
/// saliency; Kingma, Ba 2015 (1412.6980), section 5, for v as an estimate of the diagonal of the
/// Fisher information.
#[derive(Clone, Copy, Debug, Default)]
pub struct SecondMoments;

impl Criterion for SecondMoments {
    fn name(&self) -> &'static str {
        "second_moments"
    }

    fn needs(&self) -> Needs {
        Needs::of(&[PerValue::SecondMoments])
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let kind = PerValue::SecondMoments;
        scores(self, kind, weight, evidence, |w, v| unsigned(w * w * v))
    }
}
