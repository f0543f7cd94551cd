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
mod reference;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::levels::Compiled;
use crate::isa::Isa;

pub(crate) use reference::{factor_triangle_at, substitute_at};

/// Columns that are computed together.
pub(crate) const PANEL: usize = 16;

/// A triangle of a panel: `[k, PANEL]`, zero where k is not below the column.
pub(crate) type Triangle = [[f64; PANEL]; PANEL];

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
    match Compiled::of(isa) {
        #[cfg(target_arch = "x86_64")]
        Compiled::Avx512 => in_tiles(rows, stride, avx512::ROWS, |tile, height| {
            // SAFETY: `Compiled::of` returns only what this processor has. The tile has `height`
            // rows, at most as many as the level takes, and the columns were checked above.
            unsafe { avx512::subtract(Tile::new(tile, stride, height, &k, to, panel)) }
        }),
        #[cfg(target_arch = "x86_64")]
        Compiled::Avx2 => in_tiles(rows, stride, avx2::ROWS, |tile, height| {
            // SAFETY: as above.
            unsafe { avx2::subtract(Tile::new(tile, stride, height, &k, to, panel)) }
        }),
        _ => reference::subtract_at(isa, rows, stride, k, to, panel),
    }
}

/// Calls `multiply` with parts of `rows` that differ by one row at most, and how many rows each
/// has.
#[cfg(target_arch = "x86_64")]
fn in_tiles(
    rows: &mut [f64],
    stride: usize,
    most: usize,
    mut multiply: impl FnMut(&mut [f64], usize),
) {
    let mut rest = rows;
    let mut left = rest.len() / stride;
    for tiles in (1..=left.div_ceil(most)).rev() {
        let height = left.div_ceil(tiles);
        let (tile, below) = rest.split_at_mut(height * stride);
        multiply(tile, height);
        rest = below;
        left -= height;
    }
}

/// A few rows for a level to work on.
///
/// The pointers are valid for `height` rows of `stride` elements, of which those from `a` on have
/// `k` columns and those from `c` on [`PANEL`], which do not overlap; `panel` is valid for
/// `k · PANEL` elements.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Tile {
    a: *const f64,
    c: *mut f64,
    stride: usize,
    height: usize,
    k: usize,
    panel: *const f64,
}

#[cfg(target_arch = "x86_64")]
impl Tile {
    /// Of arguments that [`subtract`] has checked.
    fn new(
        rows: &mut [f64],
        stride: usize,
        height: usize,
        k: &Range<usize>,
        to: usize,
        panel: &[f64],
    ) -> Self {
        let first = rows.as_mut_ptr();
        Tile {
            a: first.wrapping_add(k.start),
            c: first.wrapping_add(to),
            stride,
            height,
            k: k.len(),
            panel: panel.as_ptr(),
        }
    }

    /// Where every fourth row of A begins, so that no address waits for a long chain of additions.
    #[inline(always)]
    fn a_quads(&self) -> [*const f64; 4] {
        std::array::from_fn(|quad| self.a.wrapping_add(4 * quad * self.stride))
    }
}
