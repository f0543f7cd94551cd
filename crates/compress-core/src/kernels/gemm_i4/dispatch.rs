//! What an instruction set level brings: the tiles, compiled for its vectors, and which of them
//! serves a kind of weights.

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use super::avx512::Avx512;
use super::codes::{Bytes, Nibbles, Six, Table};
use super::floats::Floats;
use super::panels::Kind;
use super::supers::{self, Supers};
use super::tiles::{Grouped, Runs, Tile};
use crate::Result;
use crate::isa::Isa;

/// An instruction set level that the processor has: there is no other way to one than
/// [`Level::of`].
#[derive(Clone, Copy)]
pub(super) struct Level {
    pub isa: Isa,
    /// Computes a tile, of one or two panels, from codes.
    ///
    /// # Safety
    /// The processor has the level, and the tile is as [`Tile`] says.
    pub integers: unsafe fn(&Tile<'_>),
    /// The same from f32.
    pub floats: unsafe fn(&Tile<'_>),
}

impl Level {
    /// What runs at a level; none where that is the specification.
    pub(super) fn of(isa: Isa) -> Result<Option<Level>> {
        isa.require("a product with packed weights")?;
        Ok(known(isa))
    }
}

#[cfg(target_arch = "x86_64")]
fn known(isa: Isa) -> Option<Level> {
    match isa {
        Isa::Scalar => None,
        Isa::Avx2 => Some(Level {
            isa,
            integers: integers::<Avx2>,
            floats: floats::<Avx2>,
        }),
        Isa::Avx512 | Isa::Amx => Some(Level {
            isa,
            integers: integers::<Avx512>,
            floats: floats::<Avx512>,
        }),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn known(_: Isa) -> Option<Level> {
    None
}

/// A tile from codes of activations. See [`Level`].
///
/// # Safety
/// The processor has the level, and the tile is as [`Tile`] says.
unsafe fn integers<S: Runs>(tile: &Tile<'_>) {
    // SAFETY: passed on from the caller.
    unsafe {
        match tile.weights.kind {
            Kind::Symmetric => S::tile::<Grouped<Nibbles, 8>>(tile),
            Kind::Affine => S::tile::<Grouped<Nibbles, 0>>(tile),
            Kind::Codebook => S::tile::<Grouped<Table, 128>>(tile),
            Kind::Q8 => S::tile::<Grouped<Bytes, 128>>(tile),
            Kind::K4 => S::tile::<Supers<supers::Four>>(tile),
            Kind::K6 => S::tile::<Supers<supers::Six>>(tile),
        }
    }
}

/// A tile from activations as they are. See [`Level`].
///
/// # Safety
/// As [`integers`].
unsafe fn floats<S: Runs>(tile: &Tile<'_>) {
    // SAFETY: passed on from the caller.
    unsafe {
        match tile.weights.kind {
            Kind::Q8 => S::short_tiles::<Floats<Bytes>>(tile),
            Kind::K6 => S::short_tiles::<Floats<Six>>(tile),
            _ => S::short_tiles::<Floats<Nibbles>>(tile),
        }
    }
}
