//! Calibration: streaming statistics of what stands at each place of a model, above all of what each
//! weight reads. Memory grows with the places, not with the samples.
//!
//! Each kind of statistic is a [`Tap`]; a pair of taps can watch the same pass of
//! [`crate::observe::observe`]. The results do not depend on the size of batches: sums go over the
//! rows in order, and the rest are counts and extremes. `compress-quant`'s observers find ranges for
//! quantization this way.

mod activity;
mod by_place;
mod gram;
mod histogram;

#[cfg(test)]
mod tests;

use ndarray::ArrayView2;

use crate::Result;
use crate::kernels::memory::row_major;
use crate::kernels::reduce;
use crate::observe::{Place, Tap};
use crate::ops::rows::{add_column_squares, add_column_sums};

pub use activity::{Activity, OutputActivity};
pub use by_place::ByPlace;
pub use gram::{Gram, InputGram};
pub use histogram::{Histogram, Histograms};

/// Statistics of the rows of one place.
#[derive(Clone, Debug, PartialEq)]
pub struct InputStatistics {
    /// Rows seen.
    pub samples: usize,
    /// The smallest value.
    pub min: f32,
    /// The largest value.
    pub max: f32,
    /// For each column the sum over all rows.
    pub sums: Vec<f64>,
    /// For each column the sum of squares over all rows.
    pub square_sums: Vec<f64>,
}

impl InputStatistics {
    fn new(columns: usize) -> Self {
        InputStatistics {
            samples: 0,
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
            sums: vec![0.0; columns],
            square_sums: vec![0.0; columns],
        }
    }

    /// The largest magnitude.
    pub fn absmax(&self) -> f32 {
        self.max.abs().max(self.min.abs())
    }

    /// For each column the mean over all rows; zeros where there was none.
    pub fn means(&self) -> Vec<f64> {
        let rows = self.samples.max(1) as f64;
        self.sums.iter().map(|sum| sum / rows).collect()
    }

    /// For each column the Euclidean norm over all rows.
    ///
    /// Sun et al. 2023 (2306.11695), equation 1, where it is the factor ‖Xⱼ‖₂ of a weight's score.
    pub fn norms(&self) -> Vec<f64> {
        self.square_sums.iter().map(|s| s.sqrt()).collect()
    }
}

/// Collects [`InputStatistics`] for each place.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    /// In the order in which places were seen first.
    pub places: ByPlace<InputStatistics>,
}

impl Tap for Calibration {
    /// # Errors
    /// Where a value is NaN or infinite, naming the place, or the columns change.
    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        let columns = rows.ncols();
        let entry = self
            .places
            .entry(place, columns, || InputStatistics::new(columns))?;
        if rows.is_empty() {
            return Ok(());
        }
        let what = place.to_string();
        let values = row_major(&what, rows)?;
        let values = values.as_slice().unwrap_or_default();
        let (min, max) = reduce::min_max(&what, values)?;
        entry.samples += rows.nrows();
        entry.min = entry.min.min(min);
        entry.max = entry.max.max(max);
        add_column_sums(rows, &mut entry.sums)?;
        add_column_squares(rows, &mut entry.square_sums)
    }
}
