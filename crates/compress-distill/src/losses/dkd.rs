//! Decoupled knowledge distillation: the target class, and the others among themselves.

use compress_core::Error as CoreError;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::checks::{check_compared, check_finite, check_labels, check_weight, finite};
use super::softened::Softened;
use super::{LogitBatch, LogitLoss};
use crate::{Result, Temperature};

/// Decoupled knowledge distillation (DKD). The KL divergence of [`crate::SoftTargets`] is that of
/// the target class against all others (TCKD), and (1 − p_target) times that of the other classes
/// among themselves (NCKD). A confident teacher so silences the second. Here each has a weight of
/// its own, at a temperature T:
///
/// ```text
/// T² · (α · TCKD + β · NCKD)
/// TCKD = KL((p_target, 1 − p_target) ‖ (q_target, 1 − q_target))
/// NCKD = KL(p̂ ‖ q̂)    p̂, q̂: softmax over all classes but the target
/// ```
///
/// averaged over the batch, in nats; p are the teacher's probabilities, q the student's. It needs
/// labels and at least two classes.
///
/// # References
/// Zhao et al. 2022 (2203.08679), equations 5 to 7.
#[derive(Clone, Debug, PartialEq)]
pub struct Dkd {
    /// The weight α of the target class against all others. Default: 1.
    pub alpha: f32,
    /// The weight β of the other classes among themselves. Default: 8, the authors' for
    /// ResNet32x4 and ResNet8x4 on CIFAR-100.
    pub beta: f32,
    /// The temperature. Default: 4.
    pub temperature: Temperature,
}

impl Default for Dkd {
    fn default() -> Self {
        Dkd {
            alpha: 1.0,
            beta: 8.0,
            temperature: Temperature::Constant(4.0),
        }
    }
}

impl LogitLoss for Dkd {
    fn validate(&self) -> Result<()> {
        check_weight("alpha", self.alpha)?;
        check_weight("beta", self.beta)?;
        self.temperature.validate()
    }

    fn evaluate(
        &self,
        batch: &LogitBatch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        self.validate()?;
        check_compared(batch, &gradient)?;
        let (rows, classes) = batch.student.dim();
        check_labels(batch.labels, batch.indices, rows, classes)?;
        if classes < 2 {
            let expected = "at least 2: a target and another";
            return Err(CoreError::invalid("the number of classes", classes, expected).into());
        }
        let temperature = self.temperature.at(batch.epoch);
        check_finite(batch, temperature)?;
        let student = Decoupled::new(batch.student, batch.labels, temperature)?;
        let teacher = Decoupled::new(batch.teacher, batch.labels, temperature)?;
        let (alpha, beta) = (f64::from(self.alpha), f64::from(self.beta));
        let target = teacher.target.divergence_to(&student.target);
        let others = teacher.others.divergence_to(&student.others);
        let (t, count) = (f64::from(temperature), rows as f64);
        let value = finite(t * t * (alpha * target + beta * others) / count)?;

        let factor = t / count;
        let difference = |s: &Softened, t: &Softened, at| {
            f64::from(s.probabilities[at]) - f64::from(t.probabilities[at])
        };
        for ((row, class), g) in gradient.indexed_iter_mut() {
            let label = batch.labels[row] as usize;
            let slope = if class == label {
                alpha * difference(&student.target, &teacher.target, (row, 0))
            } else {
                // The share of this class in what all others have gained.
                let at = (row, class - usize::from(class > label));
                let share = f64::from(student.others.probabilities[at]);
                alpha * share * difference(&student.target, &teacher.target, (row, 1))
                    + beta * difference(&student.others, &teacher.others, at)
            };
            *g = (factor * slope) as f32;
        }
        Ok(value.max(0.0))
    }
}

/// The probabilities of a network at a temperature, in two parts.
struct Decoupled {
    /// The target class and all others, `[rows, 2]`.
    target: Softened,
    /// The other classes among themselves, `[rows, classes − 1]`.
    others: Softened,
}

impl Decoupled {
    fn new(logits: ArrayView2<'_, f32>, labels: &[u32], temperature: f32) -> Result<Self> {
        let (rows, classes) = logits.dim();
        let label = |row: usize| labels[row] as usize;
        let others = Array2::from_shape_fn((rows, classes - 1), |(row, class)| {
            logits[(row, class + usize::from(class >= label(row)))]
        });
        let softened = Softened::new(others.view(), temperature)?;
        // The logit of the target against the log-sum-exp of all others. That is any one's logit
        // less its logarithm among them; at the largest nothing cancels.
        let mut odds = Array2::zeros((rows, 2));
        for (row, mut odds) in odds.rows_mut().into_iter().enumerate() {
            let pairs = others.row(row).into_iter().zip(softened.ln.row(row));
            let largest = pairs.max_by(|a, b| a.0.total_cmp(b.0));
            let (&logit, &ln) = largest.unwrap_or((&0.0, &0.0));
            let distance = f64::from(logits[(row, label(row))]) - f64::from(logit);
            odds[0] = (distance / f64::from(temperature) + f64::from(ln)) as f32;
        }
        Ok(Decoupled {
            target: Softened::new(odds.view(), 1.0)?,
            others: softened,
        })
    }
}
