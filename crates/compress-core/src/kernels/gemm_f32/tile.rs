//! The tiles that a level multiplies, and what a transpose needs.

use ndarray::ArrayView2;

/// Columns of a panel of B, at every level.
pub(super) const PANEL: usize = 32;
/// The most panels of a [`Row`].
pub(super) const ROW_PANELS: usize = 5;
/// How much of k is worked on at a time: as much as leaves the packed panels of a task in the
/// second cache, since each block of k costs a tile's start and end, some 90 ns.
pub(super) const DEPTH: usize = 1024;

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
/// It is valid when `a` can be read at `r·a_rows + i·a_cols` for `r < rows` and `i < k`, and `b` at
/// `i·PANEL` for whole vectors that cover `cols`; when `c` can be read and written at
/// `r·c_stride + j` for `j < cols`, and the bias be read; and when nobody else touches that part
/// of C meanwhile. `rows` is 1 to [`Level::rows`](super::dispatch::Level::rows), `cols` 1 to [`PANEL`].
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// `[rows, k]`, at any strides.
    pub a: *const f32,
    /// From one row of A to the next.
    pub a_rows: isize,
    /// From one column of A to the next.
    pub a_cols: isize,
    /// `[k, PANEL]`.
    pub b: *const f32,
    /// `[rows, cols]`.
    pub c: *mut f32,
    /// From one row of C to the next.
    pub c_stride: usize,
    pub rows: usize,
    pub cols: usize,
    pub k: usize,
    pub start: Start,
}

/// One row of C, over the panels that lie behind each other, and what it is computed from.
///
/// It is valid when `a` can be read at `i·a_cols` for `i < k`, `b` at `p·panel_size + i·PANEL` for
/// whole panels, `c` read and written at `j < cols` and the bias read there, and when nobody else
/// touches that part of C meanwhile. `cols` is 1 to `ROW_PANELS·PANEL`.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub a: *const f32,
    /// From one element of A to the next.
    pub a_cols: isize,
    /// Panels `[k, PANEL]`.
    pub b: *const f32,
    /// From one panel to the next.
    pub panel_size: usize,
    pub c: *mut f32,
    pub cols: usize,
    pub k: usize,
    pub start: Start,
}

impl Tile {
    /// Where every fourth row of A begins. A loop that walks these takes few registers, and no
    /// address waits for a long chain of additions.
    #[inline(always)]
    pub(super) fn a_quads(&self) -> [*const f32; 4] {
        std::array::from_fn(|quad| self.a.wrapping_offset(4 * quad as isize * self.a_rows))
    }
}

/// The distance between the rows of `from`. Panics unless they are contiguous and `to` has room
/// for the transpose.
pub(super) fn check_transpose(from: &ArrayView2<'_, f32>, to: &[f32], to_stride: usize) -> isize {
    let (rows, cols) = from.dim();
    assert!(cols <= 1 || from.strides()[1] == 1);
    assert!(rows == 0 || cols == 0 || (cols - 1) * to_stride + rows <= to.len());
    from.strides()[0]
}
