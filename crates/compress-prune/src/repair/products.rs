//! What least squares needs to know of what a layer reads.

use compress_core::kernels::memory::{filled, row_major};
use compress_core::linalg::subtract_product;
use compress_core::ops::rows::add_column_sums;
use compress_core::{Error, Result};
use ndarray::{Array2, ArrayView2, Axis, Slice};

/// Rows that are held in f64 at a time.
const ROWS: usize = 1024;

/// Sums over the same rows of what a layer read in the original model, `x`, and of what it reads in
/// the pruned one, `x̂`. All in f64, each element in the order of the rows, so the batches do not
/// matter. Memory: 16 · columns² bytes, where the two layers read as many columns.
#[derive(Clone, Debug, PartialEq)]
pub struct InputProducts {
    samples: usize,
    /// −Σ x̂·x̂ᵀ `[columns, columns]`.
    pub(super) minus_gram: Array2<f64>,
    /// −Σ x·x̂ᵀ `[original columns, columns]`.
    pub(super) minus_cross: Array2<f64>,
    original_sums: Vec<f64>,
    sums: Vec<f64>,
}

impl InputProducts {
    /// Of no rows yet. The layer read `original_columns` features, and now reads `columns`.
    ///
    /// # Errors
    /// Where memory does not hold the sums.
    pub fn new(original_columns: usize, columns: usize) -> Result<Self> {
        let what = "sums of products of what a layer reads";
        let zeros = |rows: usize| {
            let values = filled(what, rows.saturating_mul(columns), 0.0)?;
            Array2::from_shape_vec((rows, columns), values).map_err(Error::other)
        };
        Ok(InputProducts {
            samples: 0,
            minus_gram: zeros(columns)?,
            minus_cross: zeros(original_columns)?,
            original_sums: filled(what, original_columns, 0.0)?,
            sums: filled(what, columns, 0.0)?,
        })
    }

    /// Adds rows `[rows, original columns]` of the original model, and `[rows, columns]` of the
    /// pruned one for the same samples.
    ///
    /// # Errors
    /// Where the shapes differ from those before or the numbers of rows from each other, or a value
    /// is not finite. Nothing is added then.
    pub fn add(
        &mut self,
        original: ArrayView2<'_, f32>,
        pruned: ArrayView2<'_, f32>,
    ) -> Result<()> {
        let (columns, rows) = (self.minus_cross.dim(), original.nrows());
        for (what, rows_of, columns) in [
            ("inputs of the original layer", original, columns.0),
            ("inputs of the pruned layer", pruned, columns.1),
        ] {
            Error::check_shape(what, &[rows, columns], rows_of.shape())?;
            let values = row_major(what, rows_of)?;
            Error::check_finite(what, values.as_slice().unwrap_or_default())?;
        }
        for first in (0..rows).step_by(ROWS) {
            let range = Slice::from(first..rows.min(first + ROWS));
            let part = |m: ArrayView2<'_, f32>| m.slice_axis(Axis(0), range).mapv(f64::from);
            let (x, now) = (part(original), part(pruned));
            subtract_product(self.minus_gram.view_mut(), now.t(), now.view())?;
            subtract_product(self.minus_cross.view_mut(), x.t(), now.view())?;
        }
        add_column_sums(original, &mut self.original_sums)?;
        add_column_sums(pruned, &mut self.sums)?;
        self.samples += rows;
        Ok(())
    }

    /// Rows seen.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The mean of each column of the original model's rows; zeros where there was none.
    pub fn original_means(&self) -> Vec<f64> {
        self.means(&self.original_sums)
    }

    /// The mean of each column of the pruned model's rows; zeros where there was none.
    pub fn pruned_means(&self) -> Vec<f64> {
        self.means(&self.sums)
    }

    fn means(&self, sums: &[f64]) -> Vec<f64> {
        let rows = self.samples.max(1) as f64;
        sums.iter().map(|sum| sum / rows).collect()
    }

    /// The same of the rows less their means, in place: what a layer is fitted to that has a bias. The
    /// means stay those of the rows as they were.
    pub(super) fn centered(mut self) -> Self {
        let (x, now) = (self.original_means(), self.pruned_means());
        for ((i, j), product) in self.minus_gram.indexed_iter_mut() {
            *product += self.sums[i] * now[j];
            // A constant column varies by nothing but rounding.
            let square = self.sums[i] * now[i];
            if i == j && -*product <= 1e-12 * square {
                *product = 0.0;
            }
        }
        for ((i, j), product) in self.minus_cross.indexed_iter_mut() {
            *product += x[i] * self.sums[j];
        }
        self
    }

    /// Which columns of the pruned model's rows are anything but zero.
    pub(super) fn live(&self) -> Vec<bool> {
        self.minus_gram.diag().iter().map(|&d| d < 0.0).collect()
    }
}
