//! The Gram matrix XᵀX of what each weight reads. Up to a factor, it is the Hessian of the squared
//! error of the weight's products.

use ndarray::{Array2, ArrayView2};

use super::ByPlace;
use crate::Result;
use crate::kernels::gemm_f32::{Init, gemm};
use crate::kernels::memory::row_major;
use crate::kernels::reduce;
use crate::observe::{Place, Tap};

/// XᵀX of one place.
#[derive(Clone, Debug, PartialEq)]
pub struct InputGram {
    /// Rows seen.
    pub samples: usize,
    /// `[columns, columns]`, not divided by the number of rows; symmetric to the bit. Each element
    /// is one chain of fused multiply-adds over the rows in order.
    pub matrix: Array2<f32>,
}

/// Collects [`InputGram`] for each place. Memory: 4 · columns² bytes for each place.
///
/// # References
/// Frantar et al. 2022 (2210.17323), section 3: H = 2 X Xᵀ with samples as columns.
#[derive(Clone, Debug, Default)]
pub struct Gram {
    /// In the order in which places were seen first.
    pub places: ByPlace<InputGram>,
}

impl Tap for Gram {
    /// # Errors
    /// Where a value is NaN or infinite, naming the place, or the columns change.
    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        let columns = rows.ncols();
        let entry = self.places.entry(place, columns, || InputGram {
            samples: 0,
            matrix: Array2::zeros((columns, columns)),
        })?;
        let what = place.to_string();
        let rows = row_major(&what, rows)?;
        reduce::absmax(&what, rows.as_slice().unwrap_or_default())?;
        entry.samples += rows.nrows();
        gemm(
            rows.t(),
            rows.view(),
            Init::Accumulate,
            entry.matrix.view_mut(),
        )
    }
}
