//! What an instruction set level brings: the integer sums of one tile.

use super::reference;
use super::tile::Tile;
#[cfg(target_arch = "x86_64")]
use super::{amx, avx2, avx512};
use crate::Result;
use crate::isa::Isa;

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
        Isa::Scalar => Level {
            isa,
            rows: reference::ROWS,
            around: alone,
            multiply: reference::multiply,
        },
        Isa::Avx2 => Level {
            isa,
            rows: avx2::ROWS,
            around: alone,
            multiply: avx2::multiply,
        },
        Isa::Avx512 => Level {
            isa,
            rows: avx512::ROWS,
            around: alone,
            multiply: avx512::multiply,
        },
        Isa::Amx => Level {
            isa,
            rows: amx::ROWS,
            around: amx::around,
            multiply: amx::multiply,
        },
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn known(isa: Isa) -> Level {
    Level {
        isa,
        rows: reference::ROWS,
        around: alone,
        multiply: reference::multiply,
    }
}

/// Where there is nothing to set up.
fn alone(work: &mut dyn FnMut()) {
    work();
}
