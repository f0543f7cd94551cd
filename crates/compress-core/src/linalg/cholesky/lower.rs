//! The factor, and the matrix that it is computed from.

use ndarray::ArrayView2;

use super::rows::{Part, Rows};
use crate::isa::Isa;
use crate::{Error, Result};

/// The factor `L` of a symmetric positive definite matrix `A = L·Lᵀ`, `[n, n]`, and what is
/// solved with it.
///
/// Memory: 8·n² bytes, and while it is computed 2 KB more for each row. Large matrices are
/// shared among the threads of the current rayon pool. Each element is one chain of fused
/// multiply-adds in a fixed order, so the bits depend neither on the level nor on the threads.
///
/// # References
/// Golub, Van Loan 2013, *Matrix Computations*, 4th edition, sections 3.1 and 4.2.
///
/// ```
/// use compress_core::linalg::Cholesky;
/// use ndarray::arr2;
///
/// let gram = arr2(&[[4.0, 2.0], [2.0, 5.0]]);
/// let factor = Cholesky::factor("gram", gram.view())?;
/// assert_eq!(factor.lower(), arr2(&[[2.0, 0.0], [1.0, 2.0]]));
/// let x = factor.solve(arr2(&[[8.0], [16.0]]).view())?;
/// assert_eq!(x, arr2(&[[0.5], [3.0]]));
/// # Ok::<_, compress_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cholesky {
    pub(super) isa: Isa,
    /// L; zero above the diagonal.
    pub(super) rows: Rows,
    /// The reciprocals of its diagonal.
    pub(super) scales: Vec<f64>,
}

impl Cholesky {
    /// n, the rows and columns of the matrix.
    pub fn dim(&self) -> usize {
        self.rows.count()
    }

    /// L, `[n, n]`, row-major (its rows may lie apart): positive on the diagonal, zero above.
    pub fn lower(&self) -> ArrayView2<'_, f64> {
        self.rows.view()
    }
}

pub(super) fn check(isa: Isa, what: &str, a: &ArrayView2<'_, f64>) -> Result<()> {
    isa.require("a Cholesky factorization")?;
    Error::check_shape(what, &[a.nrows(), a.nrows()], a.shape())
}

/// The lower triangle of `a`.
pub(super) fn read(what: &str, a: ArrayView2<'_, f64>) -> Result<Rows> {
    let rows = Rows::read(a, Part::Lower);
    rows.map_err(|(index, value)| not_finite(what, index, value))
}

pub(super) fn not_finite(what: &str, index: usize, value: f64) -> Error {
    Error::NonFinite {
        what: what.to_owned(),
        index,
        value: value as f32,
    }
}
