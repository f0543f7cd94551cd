//! The reverse KL divergence: of the teacher's softened probabilities from the student's.

use ndarray::ArrayViewMut2;

use super::softened::sum_of_costs;
use super::{LogitBatch, LogitLoss};
use crate::{Result, Temperature};

/// The reverse KL divergence KL(q ‖ p) of a teacher's probabilities p from a student's q, at a
/// temperature T; averaged over the batch, in nats, and multiplied by T²:
///
/// ```text
/// T² · Σ q · (ln q − ln p)    p = softmax(teacher / T), q = softmax(student / T)
/// ```
///
/// A student pays for what the teacher excludes, not for what it misses itself: a small one keeps
/// to the teacher's likely classes (mode seeking). [`crate::SoftTargets`] is the other direction.
///
/// # References
/// Gu et al. 2023 (2306.08543), section 2, for the direction; Hinton, Vinyals, Dean 2015
/// (1503.02531), section 2, for T and the factor T².
#[derive(Clone, Debug, PartialEq)]
pub struct ReverseKl {
    /// The temperature. Default: 1, as in the paper.
    pub temperature: Temperature,
}

impl Default for ReverseKl {
    fn default() -> Self {
        ReverseKl {
            temperature: Temperature::Constant(1.0),
        }
    }
}

impl LogitLoss for ReverseKl {
    fn validate(&self) -> Result<()> {
        self.temperature.validate()
    }

    fn evaluate(&self, batch: &LogitBatch<'_>, gradient: ArrayViewMut2<'_, f32>) -> Result<f32> {
        self.validate()?;
        let temperature = self.temperature.at(batch.epoch);
        sum_of_costs(batch, temperature, gradient, |class| {
            let ratio = class.ln_student - class.ln_teacher;
            // A class of probability 0 costs nothing, though its logarithm may be −∞.
            match class.student == 0.0 {
                true => (0.0, 0.0),
                false => (class.student * ratio, ratio),
            }
        })
    }
}
