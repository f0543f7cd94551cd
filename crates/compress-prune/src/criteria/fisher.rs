//! The Fisher criterion: how much the loss would rise without a weight, by an estimate of the
//! empirical Fisher information.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs, PerValue};
use compress_core::mask::Criterion;
use compress_core::tensor::TensorRef;

/// Scores a weight by `w²·v`, as Optimal Brain Damage (OBD) does. To second order, the loss rises
/// in proportion to this when the weight becomes zero. The Hessian's diagonal is replaced by v, the
/// running mean of the squared gradient that Adam keeps (its second moment). So the score costs
/// nothing beyond Adam itself.
///
/// v stands for the diagonal of the empirical Fisher information, but is not equal to it: Adam
/// squares the mean gradient of a batch, not the gradients of single samples. Where these are
/// independent with a mean near zero, v is smaller by a factor of the batch size for all weights,
/// and the ranking is the same. Gradient clipping and coupled weight decay also enter v.
///
/// Needs an optimizer's second moments, as [`crate::GradualPruning`] collects them.
///
/// # References
/// LeCun, Denker, Solla 1990, *Optimal brain damage*, equation 5, for the saliency; Theis,
/// Korshunova, Tejani, Huszár 2018 (1801.05787), section 2.1, for the Fisher information in it;
/// Kingma, Ba 2015 (1412.6980), section 2, for v as its estimate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fisher;

impl Criterion for Fisher {
    fn name(&self) -> &'static str {
        "fisher"
    }

    fn needs(&self) -> Needs {
        Needs::of(&[PerValue::SecondMoments])
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let count = weight.values.len();
        let moments = evidence.values(PerValue::SecondMoments, self.name(), weight.name, count)?;
        weight.check_finite()?;
        let pairs = weight.values.iter().zip(moments);
        Ok(pairs.map(|(&w, &v)| saliency(w, v)).collect())
    }
}

/// `w²·v`, at most the largest f32.
fn saliency(w: f32, v: f32) -> f32 {
    let product = f64::from(w) * f64::from(w) * f64::from(v);
    product.min(f64::from(f32::MAX)) as f32
}
