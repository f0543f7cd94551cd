//! Logit standardization: student and teacher are compared by the z-scores of their logits.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::checks::{check_compared, check_finite, finite};
use super::{ForwardKl, LogitBatch, LogitLoss};
use crate::Result;

/// Another loss, on the z-scores of the logits instead of the logits: each row less its mean,
/// divided by its standard deviation over the classes. The loss's own temperature is the base
/// temperature. A student need not match the range of its teacher's logits: scale and shift of a
/// row do not count.
///
/// A row of equal logits has z-scores of 0 and gets no gradient.
///
/// # Examples
/// ```
/// use compress_distill::{Dkd, LogitBatch, LogitLoss, StandardizedLogits};
/// use ndarray::array;
///
/// let (student, teacher) = (array![[1.0, 2.0, 5.0]], array![[-10.0, -8.0, -2.0]]);
/// let batch = LogitBatch { labels: &[2], ..LogitBatch::new(student.view(), teacher.view()) };
/// let mut gradient = array![[0.0, 0.0, 0.0]];
/// let kl = StandardizedLogits::default();
/// assert!(kl.evaluate(&batch, gradient.view_mut())? < 1e-6);
/// let dkd = StandardizedLogits { loss: Dkd::default() };
/// assert!(dkd.evaluate(&batch, gradient.view_mut())? < 1e-6);
/// # Ok::<(), compress_distill::Error>(())
/// ```
///
/// # References
/// Sun et al. 2024 (2403.01427), algorithms 1 and 2.
#[derive(Clone, Debug, PartialEq)]
pub struct StandardizedLogits<L = ForwardKl> {
    /// The loss between the z-scores. Default: the KL divergence at the paper's base temperature,
    /// 2.
    pub loss: L,
}

impl Default for StandardizedLogits {
    fn default() -> Self {
        StandardizedLogits {
            loss: ForwardKl {
                temperature: 2.0.into(),
            },
        }
    }
}

impl<L: LogitLoss> LogitLoss for StandardizedLogits<L> {
    fn validate(&self) -> Result<()> {
        self.loss.validate()
    }

    fn evaluate(
        &self,
        batch: &LogitBatch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        check_compared(batch, &gradient)?;
        check_finite(batch, 1.0)?;
        let (student, deviations) = z_scores(batch.student);
        let (teacher, _) = z_scores(batch.teacher);
        let scores = LogitBatch {
            student: student.view(),
            teacher: teacher.view(),
            ..*batch
        };
        let value = self.loss.evaluate(&scores, gradient.view_mut())?;
        let rows = student.rows().into_iter().zip(deviations);
        for ((scores, deviation), mut gradient) in rows.zip(gradient.rows_mut()) {
            if deviation == 0.0 {
                gradient.fill(0.0);
                continue;
            }
            let classes = scores.len() as f64;
            let pairs = gradient.iter().zip(scores);
            let along: f64 = pairs.map(|(&g, &z)| f64::from(g) * f64::from(z)).sum();
            let mean = gradient.iter().map(|&g| f64::from(g)).sum::<f64>() / classes;
            for (g, &z) in gradient.iter_mut().zip(scores) {
                let inner = f64::from(*g) - mean - f64::from(z) * along / classes;
                *g = finite(inner / deviation)?;
            }
        }
        Ok(value)
    }
}

/// The z-scores of each row, and the rows' standard deviations.
fn z_scores(logits: ArrayView2<'_, f32>) -> (Array2<f32>, Vec<f64>) {
    let mut scores = Array2::zeros(logits.raw_dim());
    let mut deviations = Vec::with_capacity(logits.nrows());
    let classes = logits.ncols() as f64;
    for (row, mut scores) in logits.rows().into_iter().zip(scores.rows_mut()) {
        let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / classes;
        let centred = |x: f32| f64::from(x) - mean;
        let squares = row.iter().map(|&x| centred(x) * centred(x)).sum::<f64>();
        let deviation = (squares / classes).sqrt();
        if deviation > 0.0 {
            scores.zip_mut_with(&row, |z, &x| *z = (centred(x) / deviation) as f32);
        }
        deviations.push(deviation);
    }
    (scores, deviations)
}
