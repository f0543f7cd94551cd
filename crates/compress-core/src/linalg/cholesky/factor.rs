//! The factorization, block by block.

use super::Cholesky;
use super::block::{BLOCK, Panels, padded};
use super::rows::{Rows, STRIP, strips};
use crate::Error;
use crate::isa::Isa;
use crate::kernels::Threads;

/// Rows of the square on the diagonal that a thread updates at a time.
const SQUARE_STRIP: usize = 42;

/// The first pivot that is not a positive finite number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pivot {
    /// Its row.
    pub(super) index: usize,
    pub(super) value: f64,
}

impl Pivot {
    /// Of the matrix `what`, after these dampings were tried.
    pub(super) fn error(self, what: &str, tried: Vec<f64>) -> Error {
        Error::NotPositiveDefinite {
            what: what.to_owned(),
            pivot: self.index,
            value: self.value,
            tried,
        }
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
