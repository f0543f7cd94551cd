//! What an instruction set level brings: the tiles, compiled for its vectors.

use super::tile::{BlockColumn, GroupColumn};
use super::width::Width;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::Result;
use crate::isa::Isa;

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
        Isa::Avx2 => Some(Level {
            isa,
            widths: avx2::WIDTHS,
            block_column: avx2::column::blocks,
            group_column: avx2::column::groups,
        }),
        Isa::Avx512 | Isa::Amx => Some(Level {
            isa,
            widths: avx512::WIDTHS,
            block_column: avx512::column::blocks,
            group_column: avx512::column::groups,
        }),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn known(_: Isa) -> Option<Level> {
    None
}
