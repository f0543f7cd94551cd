//! What an instruction set level brings: vectors of f32, and the tiles compiled with them.

use super::tile::{BlockColumn, BlockTile, GroupColumn, SliceTile};
use crate::Result;
use crate::isa::Isa;

/// A vector of f32 whose lanes are different outputs.
///
/// # Safety
/// Every method: the processor has the level that the vector belongs to, and the pointers are
/// valid for [`Lanes::COUNT`] elements.
pub(super) trait Lanes: Copy {
    const COUNT: usize;
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// `self·b + c`, rounded once.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// +0 where an element is not above zero; NaN stays.
    unsafe fn relu(self) -> Self;
}

/// What multiplies panels of X of one width.
#[derive(Clone, Copy)]
pub(super) struct Width {
    /// Columns of a panel.
    pub columns: usize,
    /// Slices with columns of 16 bits.
    ///
    /// # Safety
    /// The processor has the level, and the tile is as [`SliceTile`] says; so too below.
    pub narrow: unsafe fn(&SliceTile<'_, u16>),
    /// Slices with columns of 32 bits.
    pub wide: unsafe fn(&SliceTile<'_, u32>),
    /// Blocks.
    pub blocks: unsafe fn(&BlockTile<'_>),
}

/// A module `$name` with the tiles for panels of `$vectors` vectors `$lanes`, `$rows` rows at a
/// time, compiled with `$features`.
#[cfg(target_arch = "x86_64")]
macro_rules! width {
    ($name:ident, $lanes:ty, $features:literal, $rows:expr, $vectors:expr) => {
        mod $name {
            use super::*;
            use $crate::kernels::spmm::lanes::Width;
            use $crate::kernels::spmm::tile::{BlockTile, SliceTile, blocks, slice};

            pub(super) const WIDTH: Width = Width {
                columns: $vectors * <$lanes as Lanes>::COUNT,
                narrow,
                wide,
                blocks: block_panel,
            };

            /// # Safety
            /// As [`Width::narrow`].
            #[target_feature(enable = $features)]
            unsafe fn narrow(t: &SliceTile<'_, u16>) {
                // SAFETY: passed on from the caller; so too below.
                unsafe { slice::<$lanes, u16, $rows, $vectors>(t) }
            }

            /// # Safety
            /// As [`Width::wide`].
            #[target_feature(enable = $features)]
            unsafe fn wide(t: &SliceTile<'_, u32>) {
                // SAFETY: as above.
                unsafe { slice::<$lanes, u32, $rows, $vectors>(t) }
            }

            /// # Safety
            /// As [`Width::blocks`].
            #[target_feature(enable = $features)]
            unsafe fn block_panel(t: &BlockTile<'_>) {
                // SAFETY: as above.
                unsafe { blocks::<$lanes, $rows, $vectors>(t) }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
pub(super) use width;

/// An instruction set level that the processor has: there is no other way to one than
/// [`Level::of`].
#[derive(Clone, Copy)]
pub(super) struct Level {
    pub isa: Isa,
    /// What multiplies panels of X, the narrowest first.
    pub widths: &'static [Width],
    /// Blocks, for one column.
    ///
    /// # Safety
    /// The processor has the level, and the tile is as [`BlockColumn`] says; so too below.
    pub block_column: unsafe fn(&BlockColumn<'_>),
    /// Groups of 2 of 4, for one column.
    pub group_column: unsafe fn(&GroupColumn<'_>),
}

impl Level {
    /// The narrowest panel that holds as many columns, or the widest of all.
    pub(super) fn width(&self, columns: usize) -> Width {
        let wide_enough = |width: &&Width| width.columns >= columns;
        let found = self.widths.iter().find(wide_enough);
        *found.unwrap_or(&self.widths[self.widths.len() - 1])
    }

    /// What runs at a level; none where that is the specification.
    pub(super) fn of(isa: Isa) -> Result<Option<Level>> {
        isa.require("a sparse product")?;
        Ok(known(isa))
    }
}

#[cfg(target_arch = "x86_64")]
fn known(isa: Isa) -> Option<Level> {
    match isa {
        Isa::Scalar => None,
        Isa::Avx2 => Some(super::avx2::LEVEL),
        Isa::Avx512 | Isa::Amx => Some(super::avx512::LEVEL),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn known(_: Isa) -> Option<Level> {
    None
}
