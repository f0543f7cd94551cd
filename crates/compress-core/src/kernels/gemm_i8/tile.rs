//! One tile and its integer sums.

use super::pack::PANEL;

/// Columns of a tile: two panels.
pub(super) const SUMS: usize = 2 * PANEL;
/// The most rows of a tile, at any level.
pub(super) const MOST_ROWS: usize = 32;

/// The sums of a tile.
#[repr(C, align(64))]
pub(super) struct Sums(pub [[i32; SUMS]; MOST_ROWS]);

/// One tile and what it is computed from.
///
/// It is valid when `a` can be read at `r·a_stride + i` for `r < rows` (at AMX rounded up to a
/// multiple of 16) and `i < k` rounded up to a multiple of 64, and each panel of `b` for as many
/// rows, as [`super::PackedI8`] lays them out. `rows` is 1 to the most of its level. `panels` is
/// 1 or 2; panels beyond are not read.
pub(super) struct Tile<'s> {
    /// Unsigned codes `[rows, k]`.
    pub a: *const u8,
    pub a_stride: usize,
    /// The first panel, and the second where there are two.
    pub b: [*const u8; 2],
    pub panels: usize,
    pub rows: usize,
    pub k: usize,
    pub sums: &'s mut Sums,
}
