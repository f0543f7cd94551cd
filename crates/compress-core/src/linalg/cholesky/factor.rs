//! The factorization, block by block.

use ndarray::ArrayView2;

use super::block::{BLOCK, Panels, padded};
use super::lower::{Cholesky, check, read};
use super::pivot::Pivot;
use super::rows::{Rows, STRIP, strips};
use crate::Result;
use crate::isa::Isa;
use crate::kernels::Threads;

/// Rows of the square on the diagonal that a thread updates at a time.
const SQUARE_STRIP: usize = 42;

impl Cholesky {
    /// Factors `a`, `[n, n]`, of which the lower triangle is read; `what` names it in errors.
    ///
    /// A column that is zero throughout (a dead input) makes `a` singular. What to do about it is
    /// the caller's: leave it out, put 1 on its diagonal, or damp
    /// ([`Cholesky::factor_damped`]).
    ///
    /// # Errors
    /// - [`Error::Shape`](crate::Error::Shape) where `a` is not square.
    /// - [`Error::NonFinite`](crate::Error::NonFinite) at the first NaN or infinity of the lower triangle (its position in
    ///   `a` row by row; a value is shown as f32).
    /// - [`Error::NotPositiveDefinite`](crate::Error::NotPositiveDefinite) at the first pivot that is not a positive finite number.
    /// - [`Error::Isa`](crate::Error::Isa) where `COMPRESS_ISA` asks for what the machine lacks.
    pub fn factor(what: &str, a: ArrayView2<'_, f64>) -> Result<Self> {
        Self::factor_at(Isa::active()?, what, a)
    }

    /// As [`Cholesky::factor`], at a given level, which also solves.
    ///
    /// # Errors
    /// As [`Cholesky::factor`], and where the machine lacks the level.
    pub fn factor_at(isa: Isa, what: &str, a: ArrayView2<'_, f64>) -> Result<Self> {
        check(isa, what, &a)?;
        factor(isa, read(what, a)?).map_err(|pivot| pivot.error(what, Vec::new()))
    }
}

/// Factors the matrix whose lower triangle `rows` hold, zero above.
pub(super) fn factor(isa: Isa, mut rows: Rows) -> Result<Cholesky, Pivot> {
    let (n, stride) = (rows.count(), rows.stride());
    let mut scales = vec![0.0; padded(n)];
    let mut panels = Panels::new(n);
    for start in (0..n).step_by(BLOCK) {
        let end = n.min(start + BLOCK);
        let work = |height: usize| height * (end - start) * (start + (end - start) / 2);
        let share = |height| Threads::Pool.share(work(height));
        let scales = &mut scales[start..padded(end)];
        let mut block = panels.block(isa, stride, start..end, scales);
        block.pack_before(share(end - start), &rows);
        let (_, rest) = rows.data_mut().split_at_mut(start * stride);
        let (square, below) = rest.split_at_mut((end - start) * stride);
        strips(
            square,
            SQUARE_STRIP * stride,
            share(end - start),
            |i, strip| {
                // No panel that lies above the diagonal.
                let rows = i * SQUARE_STRIP + strip.len() / stride;
                block.update(strip, 0, padded(rows) / padded(1));
            },
        );
        block.factor_square(square)?;
        // Tiles on the diagonal have left something above it.
        for (i, row) in square.chunks_exact_mut(stride).enumerate() {
            row[start + i + 1..padded(end)].fill(0.0);
        }
        strips(below, STRIP * stride, share(n - end), |_, strip| {
            block.advance(strip, 0);
        });
    }
    scales.truncate(n);
    Ok(Cholesky { isa, rows, scales })
}
