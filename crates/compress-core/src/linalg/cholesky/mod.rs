//! The Cholesky factorization `A = L·Lᵀ` in f64, blocked, with a fixed order of operations.
//!
//! Each element is one chain of fused multiply-adds over k, ascending, that starts from the
//! element of A:
//!
//! ```text
//! L[i,j] = (A[i,j] − Σ L[i,k]·L[j,k]) · (1 / L[j,j])    k = 0 … j−1, j < i
//! L[j,j] = √(A[j,j] − Σ L[j,k]²)
//! ```
//!
//! Substitution goes the same way: forward over k ascending, and backward over k descending, from
//! the last row up. Blocks store the partial chain and continue from it; vectors and threads run
//! over different elements. So every level and thread count gives the same bits. (Multiplying by
//! the reciprocal of a pivot is what LAPACK's `dpotf2` does.)
//!
//! # How it is cut
//!
//! ```text
//! for each block of columns                       BLOCK of them
//!     pack the rows of the block, transposed      panels of 16 rows of L
//!     the square on the diagonal: subtract what is left of it, factor it
//!     for each strip of the rows below            threads share these
//!         subtract what is left of the block      tiles in registers, DEPTH of k at a time
//!         substitute with the square
//! ```
//!
//! It looks left: a block is read and written once, and the columns before it are read. Forward
//! substitution for many right-hand sides, each a row, is the last two lines for all blocks; so
//! one piece of code ([`Block`](block::Block)) does both. Backward substitution is forward
//! substitution with rows and columns in reverse order.
//!
//! # References
//! - Golub, Van Loan 2013, *Matrix Computations*, 4th edition, section 4.2 (factorization, 4.2.5
//!   by blocks), section 3.1 (substitution).
//! - Frantar, Ashkboos, Hoefler, Alistarh 2023, *GPTQ* (2210.17323), section 3.3, step 3: damping
//!   by a share of the mean diagonal, and the Cholesky factor of the inverse.

mod block;
mod damped;
mod factor;
mod rows;
mod solve;
#[cfg(test)]
mod tests;

use ndarray::ArrayView2;

pub use damped::Damping;
pub use solve::{inverse_upper, inverse_upper_at};

use crate::isa::Isa;
use crate::{Error, Result};
use rows::Rows;

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
    isa: Isa,
    /// L; zero above the diagonal.
    rows: Rows,
    /// The reciprocals of its diagonal.
    scales: Vec<f64>,
}

impl Cholesky {
    /// Factors `a`, `[n, n]`, of which the lower triangle is read; `what` names it in errors.
    ///
    /// A column that is zero throughout (a dead input) makes `a` singular. What to do about it is
    /// the caller's: leave it out, put 1 on its diagonal, or damp
    /// ([`Cholesky::factor_damped`]).
    ///
    /// # Errors
    /// - [`Error::Shape`] where `a` is not square.
    /// - [`Error::NonFinite`] at the first NaN or infinity of the lower triangle (its position in
    ///   `a` row by row; a value is shown as f32).
    /// - [`Error::NotPositiveDefinite`] at the first pivot that is not a positive finite number.
    /// - [`Error::Isa`] where `COMPRESS_ISA` asks for what the machine lacks.
    pub fn factor(what: &str, a: ArrayView2<'_, f64>) -> Result<Self> {
        Self::factor_at(Isa::active()?, what, a)
    }

    /// As [`Cholesky::factor`], at a given level, which also solves.
    ///
    /// # Errors
    /// As [`Cholesky::factor`], and where the machine lacks the level.
    pub fn factor_at(isa: Isa, what: &str, a: ArrayView2<'_, f64>) -> Result<Self> {
        check(isa, what, &a)?;
        factor::factor(isa, read(what, a)?).map_err(|pivot| pivot.error(what, Vec::new()))
    }

    /// n, the rows and columns of the matrix.
    pub fn dim(&self) -> usize {
        self.rows.count()
    }

    /// L, `[n, n]`, row-major (its rows may lie apart): positive on the diagonal, zero above.
    pub fn lower(&self) -> ArrayView2<'_, f64> {
        self.rows.view()
    }
}

fn check(isa: Isa, what: &str, a: &ArrayView2<'_, f64>) -> Result<()> {
    isa.require("a Cholesky factorization")?;
    Error::check_shape(what, &[a.nrows(), a.nrows()], a.shape())
}

/// The lower triangle of `a`.
fn read(what: &str, a: ArrayView2<'_, f64>) -> Result<Rows> {
    let rows = Rows::read(a, rows::Part::Lower);
    rows.map_err(|(index, value)| not_finite(what, index, value))
}

fn not_finite(what: &str, index: usize, value: f64) -> Error {
    Error::NonFinite {
        what: what.to_owned(),
        index,
        value: value as f32,
    }
}
