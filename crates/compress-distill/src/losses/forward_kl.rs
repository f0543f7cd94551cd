//! The forward KL divergence: of the student's softened probabilities from the teacher's.

use compress_core::ops::{elementwise, softmax};
use ndarray::{ArrayView2, ArrayViewMut2};

use super::checks::{check_compared, finite};
use super::{LogitBatch, LogitLoss};
use crate::teacher::SoftLabels;
use crate::{Error, Result, Temperature};

/// The loss of [`crate::SoftTargets`] as a function of arrays: T²·KL(p ‖ q), where p are the
/// teacher's probabilities at temperature T and q the student's. For training, `SoftTargets` is
/// faster where the teacher's logits are cached.
///
/// # References
/// Hinton, Vinyals, Dean 2015 (1503.02531), section 2, and equations 1 and 2.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardKl {
    /// The temperature. Default: 4.
    pub temperature: Temperature,
}

impl Default for ForwardKl {
    fn default() -> Self {
        ForwardKl {
            temperature: Temperature::Constant(4.0),
        }
    }
}

impl LogitLoss for ForwardKl {
    fn validate(&self) -> Result<()> {
        self.temperature.validate()
    }

    fn evaluate(
        &self,
        batch: &LogitBatch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        self.validate()?;
        check_compared(batch, &gradient)?;
        let temperature = self.temperature.at(batch.epoch);
        let labels = SoftLabels::new(batch.teacher, temperature)?;
        divergence(
            batch.student,
            temperature,
            &labels,
            |row| row,
            &mut gradient,
        )
    }
}

/// The loss; its gradient goes into `gradient`. `target` gives the row of `labels` for a row of
/// `logits`.
pub(super) fn divergence(
    logits: ArrayView2<'_, f32>,
    temperature: f32,
    labels: &SoftLabels,
    target: impl Fn(usize) -> usize,
    gradient: &mut ArrayViewMut2<'_, f32>,
) -> Result<f32> {
    let (rows, classes) = logits.dim();
    let (_, teacher) = labels.dim();
    if teacher != classes {
        let student = classes;
        return Err(Error::Outputs { teacher, student });
    }
    let scale = f64::from(temperature) * f64::from(temperature);
    softmax::log_softmax(logits, temperature, gradient.view_mut())?;
    let (p, ln_p) = labels.gather(rows, target)?;
    // Through slices, and only the sum in order: a student of few weights spends much of its step
    // here.
    let q = gradient.as_slice_mut().unwrap_or_default();
    let mut terms = vec![0.0; q.len()];
    for (((term, &p), &ln_p), &ln_q) in terms.iter_mut().zip(&p).zip(&ln_p).zip(q.iter()) {
        let cost = f64::from(p) * (f64::from(ln_p) - f64::from(ln_q));
        // A class of probability 0 costs nothing, though its logarithm may be −∞.
        *term = if p != 0.0 { cost } else { 0.0 };
    }
    let sum: f64 = terms.iter().sum();
    let value = finite(sum * scale / rows as f64)?;
    // The exponential of the same logarithms that the loss is made from. So a student that equals
    // its teacher gets a gradient of exactly zero.
    elementwise::exp(q)?;
    let factor = temperature / rows as f32;
    for (g, p) in q.iter_mut().zip(p) {
        *g = (*g - p) * factor;
    }
    // Rounding may take a value of about zero below zero.
    Ok(value.max(0.0))
}
