//! The generalized Jensen–Shannon divergence between student and teacher.

use compress_core::Error as CoreError;
use compress_core::ops::scalar;
use ndarray::ArrayViewMut2;

use super::softened::sum_of_costs;
use super::{LogitBatch, LogitLoss};
use crate::{Result, Temperature};

/// The generalized Jensen–Shannon divergence of weight β between a teacher's probabilities p and a
/// student's q, at a temperature T; averaged over the batch, in nats, and multiplied by T²:
///
/// ```text
/// T² · (β · KL(p ‖ m) + (1 − β) · KL(q ‖ m))    m = β·p + (1 − β)·q
/// ```
///
/// It never exceeds T² ln 2. At β = ½ it is symmetric. Divided by β it becomes KL(p ‖ q) as β goes
/// to 0; divided by 1 − β it becomes KL(q ‖ p) as β goes to 1.
///
/// # References
/// Agarwal et al. 2024 (2306.13649), section 2, the generalized Jensen–Shannon divergence; Hinton,
/// Vinyals, Dean 2015 (1503.02531), section 2, for T and the factor T².
#[derive(Clone, Debug, PartialEq)]
pub struct JensenShannon {
    /// The weight β of the teacher, between 0 and 1 and neither of both. Default: ½.
    pub beta: f32,
    /// The temperature. Default: 1, as in the paper.
    pub temperature: Temperature,
}

impl Default for JensenShannon {
    fn default() -> Self {
        JensenShannon {
            beta: 0.5,
            temperature: Temperature::Constant(1.0),
        }
    }
}

impl LogitLoss for JensenShannon {
    fn validate(&self) -> Result<()> {
        let beta = self.beta;
        if !(beta > 0.0 && beta < 1.0) {
            let expected = "above 0 and below 1; SoftTargets and ReverseKl are the limits";
            return Err(CoreError::invalid("beta", beta, expected).into());
        }
        self.temperature.validate()
    }

    fn evaluate(&self, batch: &LogitBatch<'_>, gradient: ArrayViewMut2<'_, f32>) -> Result<f32> {
        self.validate()?;
        let beta = f64::from(self.beta);
        let temperature = self.temperature.at(batch.epoch);
        sum_of_costs(batch, temperature, gradient, |class| {
            let (p, q) = (class.teacher, class.student);
            let mean = beta * p + (1.0 - beta) * q;
            let (from_teacher, from_student) = (ln_ratio(p, mean), ln_ratio(q, mean));
            let slope = (1.0 - beta) * from_student;
            (beta * p * from_teacher + q * slope, slope)
        })
    }
}

/// ln(part / mean) for a part of the mean; 0 where the part is 0, which has no weight.
fn ln_ratio(part: f64, mean: f64) -> f64 {
    match part == 0.0 {
        true => 0.0,
        false => f64::from(scalar::ln((part / mean) as f32)),
    }
}
