//! The tiles, compiled for the vectors of a level.

use super::tile::{BlockTile, SliceTile};

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

/// All tiles of a level, compiled for vectors `$lanes` with `$features`: the constant `WIDTHS`, from
/// a module `$name` each for panels of `$vectors` vectors, `$rows` rows at a time; and the module
/// `column`.
#[cfg(target_arch = "x86_64")]
macro_rules! tiles {
    (
        $lanes:ty, $features:literal,
        $($name:ident: $rows:literal by $vectors:literal),+
    ) => {
        /// What multiplies panels of X, the narrowest first.
        pub(super) const WIDTHS: &[$crate::kernels::spmm::width::Width] = &[$($name::WIDTH),+];

        $(mod $name {
            use std::arch::x86_64::*;
            use $crate::kernels::spmm::lanes::Lanes;
            use $crate::kernels::spmm::tile::{BlockTile, SliceTile, blocks, slice};
            use $crate::kernels::spmm::width::Width;

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

        /// One column of X.
        pub(super) mod column {
            use std::arch::x86_64::*;
            use $crate::kernels::spmm::lanes::Lanes;
            use $crate::kernels::spmm::layout::BLOCK;
            use $crate::kernels::spmm::tile::{
                BlockColumn, GroupColumn, block_column, group_column,
            };

            const VECTORS: usize = BLOCK / <$lanes as Lanes>::COUNT;

            /// # Safety
            /// As [`Level::block_column`]($crate::kernels::spmm::dispatch::Level::block_column).
            #[target_feature(enable = $features)]
            pub(in $crate::kernels::spmm) unsafe fn blocks(t: &BlockColumn<'_>) {
                // SAFETY: passed on from the caller; so too below.
                unsafe { block_column::<$lanes, VECTORS>(t) }
            }

            /// # Safety
            /// As [`Level::group_column`]($crate::kernels::spmm::dispatch::Level::group_column).
            #[target_feature(enable = $features)]
            pub(in $crate::kernels::spmm) unsafe fn groups(t: &GroupColumn<'_>) {
                // SAFETY: as above.
                unsafe { group_column::<$lanes, VECTORS>(t) }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
pub(super) use tiles;
