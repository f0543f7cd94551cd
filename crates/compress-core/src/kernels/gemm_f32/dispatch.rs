//! What an instruction set level brings: the product of one tile, and a transpose.

use ndarray::ArrayView2;

use super::tile::{Row, Tile};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::Result;
use crate::isa::Isa;

/// An instruction set level that the processor has: there is no other way to one than
/// [`Level::of`].
#[derive(Clone, Copy)]
pub(super) struct Level {
    /// The most rows that its tile has.
    pub rows: usize,
    /// `C = start + A·B` for one tile: for each element one chain of fused multiply-adds.
    ///
    /// # Safety
    /// The processor has the level, and the tile is as [`Tile`] says.
    pub multiply: unsafe fn(&Tile),
    /// As `multiply`, for a single row and several panels, so that there are enough chains.
    ///
    /// # Safety
    /// The processor has the level, and the row is as [`Row`] says.
    pub row: unsafe fn(&Row),
    /// `to[c·to_stride + r] = from[(r, c)]`; nothing else is written. Panics where the rows of
    /// `from` are not contiguous or `to` is too short.
    ///
    /// # Safety
    /// The processor has the level.
    pub transpose: unsafe fn(from: ArrayView2<'_, f32>, to: &mut [f32], to_stride: usize),
}

impl Level {
    /// What runs at a level; none where that is the specification.
    pub(super) fn of(isa: Isa) -> Result<Option<Level>> {
        isa.require("a matrix product")?;
        Ok(known(isa))
    }

    /// The best of the processor.
    pub(super) fn best() -> Option<Level> {
        Isa::available().filter_map(known).last()
    }
}

#[cfg(target_arch = "x86_64")]
fn known(isa: Isa) -> Option<Level> {
    match isa {
        Isa::Scalar => None,
        Isa::Avx2 => Some(Level {
            rows: avx2::ROWS,
            multiply: avx2::multiply,
            row: avx2::row,
            transpose: avx2::transpose,
        }),
        Isa::Avx512 | Isa::Amx => Some(Level {
            rows: avx512::ROWS,
            multiply: avx512::multiply,
            row: avx512::row,
            transpose: avx512::transpose,
        }),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn known(_: Isa) -> Option<Level> {
    None
}

/// `to[c·to_stride + r] = from[(r, c)]`; nothing else is written. The rows of `from` are
/// contiguous, and `to` has room.
pub(super) fn transpose(
    level: Option<Level>,
    from: ArrayView2<'_, f32>,
    to: &mut [f32],
    to_stride: usize,
) {
    match level {
        // SAFETY: a level is one that the processor has.
        Some(level) => unsafe { (level.transpose)(from, to, to_stride) },
        None => {
            for ((r, c), &value) in from.indexed_iter() {
                to[c * to_stride + r] = value;
            }
        }
    }
}
