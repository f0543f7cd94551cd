//! Substitution, and the inverses that are made of it.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, s};

use super::block::{BLOCK, Direction, Panels, padded};
use super::damped::{Damping, escalate};
use super::lower::{Cholesky, check, not_finite};
use super::rows::{Part, Rows, STRIP, mirrored, strips, to_array};
use crate::isa::Isa;
use crate::kernels::Threads;
use crate::{Error, Result};

impl Cholesky {
    /// `X` with `A·X = B`, both `[n, right-hand sides]`. A column of X depends on that of B alone,
    /// to the bit.
    ///
    /// # Errors
    /// Where B has another number of rows, at its first NaN or infinity, and at the first value of
    /// X that overflows.
    pub fn solve(&self, b: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let (n, sides) = (self.dim(), b.ncols());
        let what = "right-hand sides of a linear system";
        Error::check_shape(what, &[n, sides], b.shape())?;
        let mut rows = Rows::zeros(what, sides, n)?;
        rows.read(b.t(), Part::All).map_err(|(index, value)| {
            let index = index % n * sides + index / n;
            not_finite(what, index, value)
        })?;
        self.substitute(Direction::Forward, &mut rows, |_| 0..n);
        rows.reverse_columns();
        self.substitute(Direction::Backward, &mut rows, |_| 0..n);
        let solved = to_array(rows.view().slice(s![.., ..;-1]).t());
        finite("solution of a linear system", solved)
    }

    /// The inverse of A, `[n, n]`, exactly symmetric. Its lower triangle has the bits of
    /// [`Cholesky::solve`] for the identity, at a third of the work. Memory beside it: 8·n² bytes.
    ///
    /// # Errors
    /// At its first value that overflows.
    pub fn inverse(&self) -> Result<Array2<f64>> {
        let n = self.dim();
        let mut columns = self.inverse_of_lower();
        columns.reverse_columns();
        // Column i of the inverse from its last row up to the diagonal.
        self.substitute(Direction::Backward, &mut columns, |i| 0..n - i);
        let inverse = mirrored(columns.view().slice(s![.., ..;-1]));
        finite("inverse of a matrix", inverse)
    }

    /// L⁻¹, column by column: row i holds column i, zero before the diagonal.
    fn inverse_of_lower(&self) -> Rows {
        let n = self.dim();
        let mut columns = self.rows.zeros_alike();
        let stride = columns.stride();
        for (i, row) in columns.data_mut().chunks_exact_mut(stride).enumerate() {
            row[i] = 1.0;
        }
        self.substitute(Direction::Forward, &mut columns, |i| i..n);
        columns
    }

    /// Substitutes in place for each row of `rows`. `reach` says which columns the strip of rows
    /// that begins at one of them takes; before them it is zero, and behind them anything is left.
    fn substitute(
        &self,
        direction: Direction,
        rows: &mut Rows,
        reach: impl Fn(usize) -> Range<usize> + Sync,
    ) {
        let (n, stride) = (rows.length(), rows.stride());
        let mut scales = self.scales.clone();
        if direction == Direction::Backward {
            scales.reverse();
        }
        scales.resize(padded(n), 0.0);
        let mut panels = Panels::new(n);
        for start in (0..n).step_by(BLOCK) {
            let end = n.min(start + BLOCK);
            let depth = (end - start) * (start + (end - start) / 2);
            let scales = &mut scales[start..padded(end)];
            let mut block = panels.block(self.isa, stride, start..end, scales);
            block.pack(Threads::Pool.share(depth), &self.rows, direction);
            let share = Threads::Pool.share(depth.saturating_mul(rows.count()));
            strips(rows.data_mut(), STRIP * stride, share, |i, strip| {
                let reach = reach(i * STRIP);
                if reach.start < end && start < reach.end {
                    block.advance(strip, reach.start);
                }
            });
        }
    }
}

/// `result`, or an error at its first value that is not finite, row by row.
fn finite(what: &str, result: Array2<f64>) -> Result<Array2<f64>> {
    match result.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        Some((index, &value)) => Err(not_finite(what, index, value)),
        None => Ok(result),
    }
}

/// The upper triangular `U`, `[n, n]`, with `A⁻¹ = Uᵀ·U`, and the λ of `damping` that was used: the
/// Cholesky factor of the inverse that GPTQ and SparseGPT walk along, row by row.
///
/// The inverse itself is never formed. A with its rows and columns in reverse order is `M·Mᵀ`; then
/// U is `M⁻¹` in reverse order. That takes half of the work of factoring, inverting and
/// factoring again, and does not square the rounding errors. [`Damping::NONE`] takes `a` as it is.
///
/// # Errors
/// As [`Cholesky::factor_damped`]; pivots are those of the elimination from the last row up.
///
/// # References
/// Frantar, Ashkboos, Hoefler, Alistarh 2023, *GPTQ* (2210.17323), section 3.3, step 3.
pub fn inverse_upper(
    what: &str,
    a: ArrayView2<'_, f64>,
    damping: &Damping,
) -> Result<(Array2<f64>, f64)> {
    inverse_upper_at(Isa::active()?, what, a, damping)
}

/// As [`inverse_upper`], at a given level.
///
/// # Errors
/// As [`inverse_upper`], and where the machine lacks the level.
pub fn inverse_upper_at(
    isa: Isa,
    what: &str,
    a: ArrayView2<'_, f64>,
    damping: &Damping,
) -> Result<(Array2<f64>, f64)> {
    check(isa, what, &a)?;
    let n = a.nrows();
    // Transposed, so that the lower triangle is the one that is read.
    let reversed = a.slice(s![..;-1, ..;-1]).reversed_axes();
    let attempt = escalate(isa, what, reversed, damping).map_err(|error| match error {
        Error::NonFinite { what, index, value } => {
            let (column, row) = (n - 1 - index / n, n - 1 - index % n);
            let index = row * n + column;
            Error::NonFinite { what, index, value }
        }
        error => error,
    })?;
    let (cholesky, share) = attempt.map_err(|(mut pivot, tried)| {
        pivot.index = n - 1 - pivot.index;
        pivot.error(what, tried)
    })?;
    let columns = cholesky.inverse_of_lower();
    let upper = columns.view().reversed_axes();
    let upper = to_array(upper.slice(s![..;-1, ..;-1]));
    Ok((upper, share))
}
