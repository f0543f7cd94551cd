//! Optimal Brain Surgeon for each layer.

use compress_core::Result;
use compress_core::evidence::{Evidence, Needs};
use compress_core::linalg::Damping;
use compress_core::mask::Criterion;
use compress_core::tensor::{TensorRef, matrix_shape};

use super::per_value::unsigned;
use crate::inverse_hessian::InverseHessian;

/// Scores a weight by `w²/[H⁻¹]ⱼⱼ`, where j is its column and H the Gram matrix XᵀX of what the
/// weight's tensor reads: layer-wise Optimal Brain Surgeon (OBS). The score is how much the squared
/// error of the row's products rises, as a sum over the calibration rows, when the weight becomes
/// zero and the others of its row are solved for again. A weight that reads nothing scores zero.
///
/// This ranks weights; it does not solve for those that stay.
///
/// Needs the Gram matrix. A score beyond the range of f32 counts as `f32::MAX`.
///
/// # Errors
/// Where the damping makes no sense or does not suffice.
///
/// # References
/// Hassibi, Stork 1993, *Second order derivatives for network pruning: Optimal Brain Surgeon*,
/// equation 5, for the saliency (half of this score); Dong, Chen, Pan 2017 (1705.07565), section 3.2,
/// for the squared error of each layer in place of the loss.
#[derive(Clone, Copy, Debug, Default)]
pub struct Obs {
    /// What is added to the diagonal of H: a price on changes of the weights that stay. Default: 0.01
    /// of its mean over inputs that are not always zero, and more where H is not positive definite.
    pub damping: Damping,
}

impl Criterion for Obs {
    fn name(&self) -> &'static str {
        "obs"
    }

    fn needs(&self) -> Needs {
        Needs {
            gram: true,
            ..Needs::default()
        }
    }

    fn score(&self, weight: TensorRef<'_>, evidence: &Evidence<'_>) -> Result<Vec<f32>> {
        let (_, columns) = matrix_shape(weight.shape);
        let gram = &evidence.gram(self.name(), weight.name, columns)?.matrix;
        weight.check_finite()?;
        let hessian = InverseHessian::of(weight.name, gram.view(), &self.damping)?;
        let InverseHessian { live, upper } = hessian;
        let Some(upper) = upper else {
            return Ok(vec![0.0; weight.values.len()]);
        };
        // The diagonal of H⁻¹ = UᵀU.
        let mut inverse = vec![0.0; columns];
        for row in upper.rows() {
            for (sum, &u) in inverse.iter_mut().zip(row) {
                *sum = u.mul_add(u, *sum);
            }
        }
        let score = |((&w, &inverse), &live): ((&f32, &f64), &bool)| match live {
            true => unsigned(f64::from(w) * f64::from(w) / inverse),
            false => 0.0,
        };
        let rows = weight.values.chunks(columns);
        let scores = rows.flat_map(|row| row.iter().zip(&inverse).zip(&live).map(score));
        Ok(scores.collect())
    }
}
