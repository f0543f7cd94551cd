//! What triangular systems and factorizations in f64 are made of: `C -= A·B` on rows in place, and
//! the substitution that follows it.
//!
//! All three kernels work on some rows of one row-major matrix, and on columns of it:
//!
//! | kernel | what |
//! | --- | --- |
//! | [`subtract`] | subtracts from [`PANEL`] columns of a row the products of its earlier ones with a panel |
//! | [`substitute_at`] | solves for [`PANEL`] columns of a row with a triangle of a panel |
//! | [`factor_triangle_at`] | factors at most [`PANEL`] rows by [`PANEL`] columns |
//!
//! A *panel* is `[k, PANEL]`: column `c` of it holds row `c` of the left factor's triangle, so a
//! step of k reads whole vectors. Each element of the result is one chain of fused multiply-adds
//! over k in the order of the panel; a call continues from what the one before has stored. Vectors
//! run over different elements. So every level and every way to cut the work gives the same bits.
//!
//! Tiles of 14 rows by 16 columns at AVX-512 and of 6 by 8 at AVX2 stay in registers. Columns that
//! a panel lacks are zero in it, and the rows have room for whole panels, so there are no tails of
//! columns.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod dispatch;
mod reference;
#[cfg(test)]
mod tests;
mod tile;

use std::ops::Range;

use crate::isa::Isa;

pub(crate) use self::reference::{factor_triangle_at, substitute_at};
pub(crate) use self::tile::{PANEL, Triangle};

/// For each row (of `stride` elements) `row[to + c] -= row[k] · panel[k][c]`, k ascending.
///
/// # Panics
/// Where `rows` are not whole rows, `panel` does not have a row for each of `k`, or the columns
/// `k` and `to..to + PANEL` overlap or are not of a row.
pub(crate) fn subtract(
    isa: Isa,
    rows: &mut [f64],
    stride: usize,
    k: Range<usize>,
    to: usize,
    panel: &[f64],
) {
    assert!(rows.len().is_multiple_of(stride));
    assert!(k.start <= k.end && k.end <= to && to + PANEL <= stride);
    assert!(panel.len() == k.len() * PANEL);
    if k.is_empty() {
        return;
    }
    dispatch::subtract(isa, rows, stride, k, to, panel);
}
