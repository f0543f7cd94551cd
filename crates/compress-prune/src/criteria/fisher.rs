//! The Fisher criterion: how much the loss would rise without a weight, by an estimate of the
//! empirical Fisher information.

use compress_core::mask::{Criterion, Scores};
use compress_core::network::{Network, Role};
use compress_core::{Error as CoreError, Result};

use super::{finite_weights, score_each};
use crate::Error;

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
/// It needs [`Criterion::observe_second_moments`] before the scores, as
/// [`crate::GradualPruning`] calls it.
///
/// # Errors
/// Where a weight or a moment is NaN or infinite, or the optimizer keeps no second moments.
///
/// # References
/// LeCun, Denker, Solla 1990, *Optimal brain damage*, equation 5, for the saliency; Theis,
/// Korshunova, Tejani, Huszár 2018 (1801.05787), section 2.1, for the Fisher information in it;
/// Kingma, Ba 2015 (1412.6980), section 2, for v as its estimate.
#[derive(Clone, Debug, Default)]
pub struct Fisher {
    /// The second moments of each weight tensor, one for each value.
    moments: Vec<Vec<f32>>,
}

impl Criterion for Fisher {
    fn name(&self) -> &'static str {
        "fisher"
    }

    fn observe_second_moments(&mut self, network: &dyn Network, moments: &[&[f32]]) -> Result<()> {
        let parameters = network.parameters();
        CoreError::check_shape("second moments", &[parameters.len()], &[moments.len()])?;
        self.moments.clear();
        for (parameter, &moments) in parameters.iter().zip(moments) {
            if parameter.role() != Role::Weight {
                continue;
            }
            let mut dense = vec![0.0; parameter.values().len()];
            match parameter.live() {
                _ if moments.len() == dense.len() => dense.copy_from_slice(moments),
                Some(live) if moments.len() == live.len() => {
                    for (position, &moment) in live.positions().zip(moments) {
                        dense[position] = moment;
                    }
                }
                _ => {
                    let tensor = parameter.name().to_owned();
                    return Err(Error::NoSecondMoments { tensor }.into());
                }
            }
            CoreError::check_finite(&format!("second moments of {}", parameter.name()), &dense)?;
            self.moments.push(dense);
        }
        Ok(())
    }

    fn scores(&self, network: &dyn Network) -> Result<Scores> {
        let weights = finite_weights(network)?;
        for (i, weight) in weights.iter().enumerate() {
            if self.moments.get(i).map(Vec::len) != Some(weight.values().len()) {
                let tensor = weight.name().to_owned();
                return Err(Error::NoSecondMoments { tensor }.into());
            }
        }
        Ok(score_each(&weights, |i| {
            let pairs = weights[i].values().iter().zip(&self.moments[i]);
            pairs.map(|(&w, &v)| saliency(w, v)).collect()
        }))
    }
}

/// `w²·v`, at most the largest f32.
fn saliency(w: f32, v: f32) -> f32 {
    let product = f64::from(w) * f64::from(w) * f64::from(v);
    product.min(f64::from(f32::MAX)) as f32
}
