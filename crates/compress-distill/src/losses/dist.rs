//! DIST: the correlation of student and teacher between classes and within each class.

use ndarray::{Array2, ArrayView1, ArrayViewMut1, ArrayViewMut2};

use super::checks::{check_weight, finite};
use super::softened::{Softened, through_softmax};
use super::{LogitBatch, LogitLoss};
use crate::{Result, Temperature};

/// DIST: one less Pearson's correlation ρ of the probabilities of student and teacher at a
/// temperature T, over the classes of each sample and over the samples of each class:
///
/// ```text
/// T² · (β · mean over samples of (1 − ρ(q, p)) + γ · mean over classes of (1 − ρ(q, p)))
/// ```
///
/// Only the relations between probabilities count: scale and shift of a sample's or of a class's
/// probabilities do not. A constant vector has no correlation; it counts as 0 and gets no gradient.
/// So the classes of a batch of one sample cost γ·T², whatever the student says.
///
/// # References
/// Huang et al. 2022 (2205.10536), section 4. The factor T² is that of the
/// authors' code.
#[derive(Clone, Debug, PartialEq)]
pub struct Dist {
    /// The weight β of the relations between classes, within each sample. Default: 1.
    pub beta: f32,
    /// The weight γ of the relations within each class, between samples. Default: 1.
    pub gamma: f32,
    /// The temperature. Default: 1.
    pub temperature: Temperature,
}

/// As in the authors' code.
impl Default for Dist {
    fn default() -> Self {
        Dist {
            beta: 1.0,
            gamma: 1.0,
            temperature: Temperature::Constant(1.0),
        }
    }
}

impl LogitLoss for Dist {
    fn validate(&self) -> Result<()> {
        check_weight("beta", self.beta)?;
        check_weight("gamma", self.gamma)?;
        self.temperature.validate()
    }

    fn evaluate(
        &self,
        batch: &LogitBatch<'_>,
        mut gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        self.validate()?;
        let temperature = self.temperature.at(batch.epoch);
        let [student, teacher] = Softened::both(batch, temperature, &gradient)?;
        let (q, p) = (&student.probabilities, &teacher.probabilities);
        let mut slopes = Array2::zeros(q.raw_dim());
        let mut sum = 0.0;
        let weight = f64::from(self.beta) / q.nrows() as f64;
        let rows = q.rows().into_iter().zip(p.rows());
        for ((q, p), slopes) in rows.zip(slopes.rows_mut()) {
            sum += weight * (1.0 - correlation(q, p, -weight, slopes));
        }
        let weight = f64::from(self.gamma) / q.ncols() as f64;
        let columns = q.columns().into_iter().zip(p.columns());
        for ((q, p), slopes) in columns.zip(slopes.columns_mut()) {
            sum += weight * (1.0 - correlation(q, p, -weight, slopes));
        }
        let t = f64::from(temperature);
        let value = finite(t * t * sum)?;
        through_softmax(&student, &slopes, t, &mut gradient);
        Ok(value.max(0.0))
    }
}

/// Pearson's correlation of `q` and `p`. `weight` times its derivative with respect to `q` is added
/// to `slopes`.
fn correlation(
    q: ArrayView1<'_, f32>,
    p: ArrayView1<'_, f32>,
    weight: f64,
    slopes: ArrayViewMut1<'_, f64>,
) -> f64 {
    let (Some(q), Some(p)) = (direction(q), direction(p)) else {
        return 0.0;
    };
    let correlation: f64 = q.unit.iter().zip(&p.unit).map(|(q, p)| q * p).sum();
    for ((slope, q_unit), p_unit) in slopes.into_iter().zip(&q.unit).zip(&p.unit) {
        *slope += weight * (p_unit - correlation * q_unit) / q.norm;
    }
    correlation
}

/// Values less their mean, as a unit vector and its norm.
struct Direction {
    unit: Vec<f64>,
    norm: f64,
}

/// None where the values are constant, but for the rounding of probabilities in f32.
fn direction(values: ArrayView1<'_, f32>) -> Option<Direction> {
    const ROUNDING: f64 = 1e-6;
    let norm = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut unit: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
    let size = norm(&unit);
    let mean = unit.iter().sum::<f64>() / unit.len() as f64;
    unit.iter_mut().for_each(|x| *x -= mean);
    let norm = norm(&unit);
    if norm <= ROUNDING * size {
        return None;
    }
    unit.iter_mut().for_each(|x| *x /= norm);
    Some(Direction { unit, norm })
}
