//! What an instruction set level brings: the product of one tile, and a transpose.

use ndarray::ArrayView2;

use crate::isa::Isa;

/// Columns of a panel of B, at every level.
pub(super) const PANEL: usize = 32;
/// How much of k is worked on at a time: a panel of B of this depth stays in the first cache.
pub(super) const DEPTH: usize = 384;
/// Distance between the rows of a packed tile of A: not a power of two, so that the rows do not
/// compete for the same lines of the cache.
pub(super) const A_STRIDE: usize = DEPTH + 16;
/// The most rows that a tile has at any level.
pub(super) const MAX_ROWS: usize = 14;

/// An instruction set level.
#[derive(Clone, Copy)]
pub(super) struct Level {
    /// The most rows that its tile has.
    pub rows: usize,
    /// `C = start + A·B` for one tile: for each element one chain of fused multiply-adds.
    ///
    /// # Safety
    /// The processor has the level, and the tile is as [`Tile`] says.
    pub multiply: unsafe fn(&Tile),
    /// `to[c·to_stride + r] = from[(r, c)]`; nothing else is written. Panics where the rows of
    /// `from` are not contiguous or `to` is too short.
    ///
    /// # Safety
    /// The processor has the level.
    pub transpose: unsafe fn(from: ArrayView2<'_, f32>, to: &mut [f32], to_stride: usize),
}

impl Level {
    /// What runs at a level; none where that is the specification.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn of(isa: Isa) -> Option<Level> {
        match isa {
            Isa::Scalar => None,
            Isa::Avx2 => Some(super::avx2::LEVEL),
            Isa::Avx512 | Isa::Amx => Some(super::avx512::LEVEL),
        }
    }

    /// What runs at a level; none where that is the specification.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn of(_: Isa) -> Option<Level> {
        None
    }
}

/// What the chains of a tile start from.
#[derive(Clone, Copy)]
pub(super) enum Start {
    /// Zero.
    Zero,
    /// What C holds.
    Accumulate,
    /// A value for each of the tile's columns.
    Bias(*const f32),
}

/// One tile of C and what it is computed from.
///
/// It is valid when `a` can be read at `r·A_STRIDE + i` for `r < rows` and `i < k`; `b` at
/// `i·b_stride` for whole vectors that cover `cols`; `c` can be read and written at
/// `r·c_stride + j` for `j < cols`, and so can the bias be read; and when nobody else touches
/// that part of C meanwhile. `rows` is 1 to [`Level::rows`], `cols` 1 to [`PANEL`].
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub a: *const f32,
    pub b: *const f32,
    pub b_stride: isize,
    pub c: *mut f32,
    pub c_stride: usize,
    pub rows: usize,
    pub cols: usize,
    pub k: usize,
    pub start: Start,
}

/// The distance between the rows of `from`. Panics unless they are contiguous and `to` has room
/// for the transpose.
pub(super) fn check_transpose(from: &ArrayView2<'_, f32>, to: &[f32], to_stride: usize) -> isize {
    let (rows, cols) = from.dim();
    assert!(cols <= 1 || from.strides()[1] == 1);
    assert!(rows == 0 || cols == 0 || (cols - 1) * to_stride + rows <= to.len());
    from.strides()[0]
}
