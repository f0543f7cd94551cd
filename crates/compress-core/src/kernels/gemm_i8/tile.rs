//! What an instruction set level brings: the integer sums of one tile.

use super::pack::PANEL;
use crate::Result;
use crate::isa::Isa;

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

/// An instruction set level that the processor has: there is no other way to one than
/// [`Level::of`].
#[derive(Clone, Copy)]
pub(super) struct Level {
    pub isa: Isa,
    /// The most rows that its tile has.
    pub rows: usize,
    /// Runs what multiplies several tiles one after the other, on this thread: what the level has
    /// to set up, it sets up once.
    ///
    /// # Safety
    /// The processor has the level.
    pub around: unsafe fn(&mut dyn FnMut()),
    /// `sums[r][j] = Σ a[r, i]·b[i, j]` modulo 2³², of each panel that there is.
    ///
    /// # Safety
    /// The processor has the level, this runs inside of `around`, and the tile is as [`Tile`] says.
    pub multiply: unsafe fn(&mut Tile<'_>),
}

impl Level {
    /// What runs at a level.
    ///
    /// # Errors
    /// Where the processor lacks it.
    pub(super) fn of(isa: Isa) -> Result<Level> {
        isa.require("a matrix product")?;
        Ok(known(isa))
    }
}

#[cfg(target_arch = "x86_64")]
fn known(isa: Isa) -> Level {
    match isa {
        Isa::Scalar => super::reference::LEVEL,
        Isa::Avx2 => super::avx2::LEVEL,
        Isa::Avx512 => super::avx512::LEVEL,
        Isa::Amx => super::amx::LEVEL,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn known(_: Isa) -> Level {
    super::reference::LEVEL
}
