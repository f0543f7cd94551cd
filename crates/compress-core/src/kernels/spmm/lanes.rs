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
    /// Four elements, over and over.
    unsafe fn fours(from: *const f32) -> Self;
    /// In each lane, of the four elements beside it the one at the place that two bits of `places`
    /// name: those of lane 0 are bits `2·first` and `2·first + 1`.
    unsafe fn pick(self, places: u32, first: usize) -> Self;
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

/// The constant `LEVEL` of a level, with all of its tiles compiled for vectors `$lanes` with
/// `$features`: a module `$name` each for panels of `$vectors` vectors, `$rows` rows at a time.
#[cfg(target_arch = "x86_64")]
macro_rules! level {
    (
        $isa:ident, $lanes:ty, $features:literal,
        $($name:ident: $rows:literal by $vectors:literal),+
    ) => {
        pub(super) const LEVEL: $crate::kernels::spmm::lanes::Level =
            $crate::kernels::spmm::lanes::Level {
                isa: $crate::isa::Isa::$isa,
                widths: &[$($name::WIDTH),+],
                block_column: column::blocks,
                group_column: column::groups,
            };

        $(mod $name {
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
        })+

        mod column {
            use super::*;
            use $crate::kernels::spmm::storage::BLOCK;
            use $crate::kernels::spmm::tile::{
                BlockColumn, GroupColumn, block_column, group_column,
            };

            const VECTORS: usize = BLOCK / <$lanes as Lanes>::COUNT;

            /// # Safety
            /// As [`Level::block_column`]($crate::kernels::spmm::lanes::Level::block_column).
            #[target_feature(enable = $features)]
            pub(super) unsafe fn blocks(t: &BlockColumn<'_>) {
                // SAFETY: passed on from the caller; so too below.
                unsafe { block_column::<$lanes, VECTORS>(t) }
            }

            /// # Safety
            /// As [`Level::group_column`]($crate::kernels::spmm::lanes::Level::group_column).
            #[target_feature(enable = $features)]
            pub(super) unsafe fn groups(t: &GroupColumn<'_>) {
                // SAFETY: as above.
                unsafe { group_column::<$lanes, VECTORS>(t) }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
pub(super) use level;

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
