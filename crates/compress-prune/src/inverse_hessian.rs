//! The inverse Hessian of a layer's squared error, where some inputs are dead.

use compress_core::Result;
use compress_core::linalg::{Damping, inverse_upper};
use ndarray::{Array2, ArrayView2};

/// What Optimal Brain Surgeon and SparseGPT know of a weight's columns.
pub(crate) struct InverseHessian {
    /// For each column, whether anything but zeros was read. What is not live is dead: its weights
    /// read nothing.
    pub(crate) live: Vec<bool>,
    /// U of the inverse `UᵀU`, `[columns, columns]`. `None` where no column is live.
    pub(crate) upper: Option<Array2<f64>>,
}

impl InverseHessian {
    /// Of the Gram matrix of what `weight` reads, whose damping is relative to the mean of the
    /// diagonal over the live columns. A dead column has that mean on the diagonal: it depends on no
    /// other, so anything positive serves.
    ///
    /// # Errors
    /// Where the damping makes no sense or does not suffice.
    pub(crate) fn of(weight: &str, gram: ArrayView2<'_, f32>, damping: &Damping) -> Result<Self> {
        let live: Vec<bool> = gram.diag().iter().map(|&d| d != 0.0).collect();
        let count = live.iter().filter(|&&live| live).count();
        if count == 0 {
            let upper = None;
            return Ok(InverseHessian { live, upper });
        }
        let mut gram = gram.mapv(f64::from);
        let mean = gram.diag().iter().map(|d| d / count as f64).sum::<f64>();
        for (d, _) in gram.diag_mut().iter_mut().zip(&live).filter(|(_, l)| !**l) {
            *d = mean;
        }
        let what = format!("the Gram matrix of the inputs of {weight}");
        let (upper, _) = inverse_upper(&what, gram.view(), damping)?;
        let upper = Some(upper);
        Ok(InverseHessian { live, upper })
    }
}
