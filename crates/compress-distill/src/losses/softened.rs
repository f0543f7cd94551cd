//! Probabilities of student and teacher at a temperature, and losses that are sums over them.

use compress_core::ops::{elementwise, softmax};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::LogitBatch;
use super::checks::{check_compared, check_finite, finite};
use crate::Result;

/// Probabilities and their logarithms, `[rows, classes]`.
pub(super) struct Softened {
    pub(super) ln: Array2<f32>,
    pub(super) probabilities: Array2<f32>,
}

impl Softened {
    /// Of logits at a temperature.
    pub(super) fn new(logits: ArrayView2<'_, f32>, temperature: f32) -> Result<Self> {
        let mut ln = Array2::zeros(logits.raw_dim());
        softmax::log_softmax(logits, temperature, ln.view_mut())?;
        let mut probabilities = ln.clone();
        elementwise::exp(probabilities.as_slice_mut().unwrap_or_default())?;
        Ok(Softened { ln, probabilities })
    }

    /// Of the student and of the teacher, whose logits must be finite.
    pub(super) fn both(
        batch: &LogitBatch<'_>,
        temperature: f32,
        gradient: &ArrayViewMut2<'_, f32>,
    ) -> Result<[Self; 2]> {
        check_compared(batch, gradient)?;
        check_finite(batch, temperature)?;
        Ok([
            Softened::new(batch.student, temperature)?,
            Softened::new(batch.teacher, temperature)?,
        ])
    }

    /// KL(self ‖ other), summed over the rows.
    pub(super) fn divergence_to(&self, other: &Softened) -> f64 {
        let logarithms = self.ln.iter().zip(&other.ln);
        let terms = self.probabilities.iter().zip(logarithms);
        // A class of probability 0 costs nothing, though its logarithm may be −∞.
        let terms = terms.filter(|(p, _)| **p != 0.0);
        terms
            .map(|(&p, (&ln_p, &ln_q))| f64::from(p) * (f64::from(ln_p) - f64::from(ln_q)))
            .sum()
    }
}

/// One class in one row: the probabilities that student and teacher give it.
pub(super) struct Class {
    pub(super) student: f64,
    pub(super) ln_student: f64,
    pub(super) teacher: f64,
    pub(super) ln_teacher: f64,
}

/// T² · Σ cost, averaged over the rows, and its gradient. `cost` gives that of one class and its
/// derivative with respect to the student's probability, which may lack a constant.
pub(super) fn sum_of_costs(
    batch: &LogitBatch<'_>,
    temperature: f32,
    mut gradient: ArrayViewMut2<'_, f32>,
    cost: impl Fn(&Class) -> (f64, f64),
) -> Result<f32> {
    let [student, teacher] = Softened::both(batch, temperature, &gradient)?;
    let mut sum = 0.0;
    let slopes = Array2::from_shape_fn(batch.student.raw_dim(), |at| {
        let (cost, slope) = cost(&Class {
            student: f64::from(student.probabilities[at]),
            ln_student: f64::from(student.ln[at]),
            teacher: f64::from(teacher.probabilities[at]),
            ln_teacher: f64::from(teacher.ln[at]),
        });
        sum += cost;
        slope
    });
    let (t, rows) = (f64::from(temperature), batch.student.nrows() as f64);
    let value = finite(t * t * sum / rows)?;
    through_softmax(&student, &slopes, t / rows, &mut gradient);
    // Rounding may take a value of about zero below zero.
    Ok(value.max(0.0))
}

/// From the derivatives with respect to probabilities q to `factor` times those with respect to
/// logits at temperature 1: q · (slope − Σ q · slope). A slope at a probability of 0 does not count.
pub(super) fn through_softmax(
    student: &Softened,
    slopes: &Array2<f64>,
    factor: f64,
    gradient: &mut ArrayViewMut2<'_, f32>,
) {
    let rows = student.probabilities.rows().into_iter().zip(slopes.rows());
    for ((q, slopes), mut gradient) in rows.zip(gradient.rows_mut()) {
        let weighted = |q: f32, slope: f64| if q != 0.0 { f64::from(q) * slope } else { 0.0 };
        let mean: f64 = q.iter().zip(slopes).map(|(&q, &s)| weighted(q, s)).sum();
        for ((g, &q), &slope) in gradient.iter_mut().zip(q).zip(slopes) {
            *g = (factor * weighted(q, slope - mean)) as f32;
        }
    }
}
