//! Teachers: where soft targets come from.

use compress_core::network::Forward;
use compress_core::ops::{elementwise, softmax};
use ndarray::{Array2, ArrayView2};

use crate::error::check_temperature;
use crate::logits::check_finite;
use crate::{Ensemble, EpochLogits, Result};

/// A teacher, or its logits.
#[derive(Clone)]
pub enum Teacher<'a> {
    /// Logits `[samples, classes]` computed beforehand, found by each sample's position in the
    /// data. The teacher passes over the data once, however many epochs follow. Only right for
    /// samples that are the same in each epoch.
    Cached(Array2<f32>),
    /// Logits of several epochs, found by each sample's epoch and position in the data: for samples
    /// that are augmented anew in each epoch.
    CachedByEpoch(EpochLogits),
    /// The teacher itself, which sees each batch as the student does: for samples that are
    /// augmented anew in each epoch. It must read the same features as the student.
    OnTheFly(&'a dyn Forward),
    /// Several teachers, which also see each batch.
    Ensemble(Ensemble<'a>),
}

impl Teacher<'_> {
    /// The number of classes.
    pub fn outputs(&self) -> usize {
        match self {
            Teacher::Cached(logits) => logits.ncols(),
            Teacher::CachedByEpoch(logits) => logits.outputs(),
            Teacher::OnTheFly(network) => network.outputs(),
            Teacher::Ensemble(ensemble) => ensemble.outputs(),
        }
    }
}

/// The logarithms of a teacher's probabilities at one temperature, `[rows, classes]`. The
/// probabilities are computed from them for each batch, which halves the memory of a large set.
pub(crate) struct SoftLabels {
    logarithms: Array2<f32>,
}

impl SoftLabels {
    /// The soft labels of `logits`, which must be finite, also after division by the temperature.
    pub(crate) fn new(logits: ArrayView2<'_, f32>, temperature: f32) -> Result<Self> {
        check_temperature(temperature)?;
        check_finite(1, logits, temperature)?;
        let mut logarithms = Array2::zeros(logits.raw_dim());
        softmax::log_softmax(logits, temperature, logarithms.view_mut())?;
        Ok(SoftLabels { logarithms })
    }

    /// Rows and classes.
    pub(crate) fn dim(&self) -> (usize, usize) {
        self.logarithms.dim()
    }

    /// Probabilities and their logarithms of some rows, row-major. `target` gives the number of
    /// each row, which must exist.
    pub(crate) fn gather(
        &self,
        rows: usize,
        target: impl Fn(usize) -> usize,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let classes = self.logarithms.ncols();
        let all = self.logarithms.as_slice().unwrap_or_default();
        let mut logarithms = Vec::with_capacity(rows * classes);
        for row in 0..rows {
            logarithms.extend_from_slice(&all[target(row) * classes..][..classes]);
        }
        let mut probabilities = logarithms.clone();
        elementwise::exp(&mut probabilities)?;
        Ok((probabilities, logarithms))
    }
}
