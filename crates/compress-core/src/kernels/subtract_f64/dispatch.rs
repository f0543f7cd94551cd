//! Which tiles a level subtracts in.

use std::ops::Range;

use super::reference;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512, tile::Tile};
use crate::isa::Isa;
use crate::kernels::levels::Compiled;

/// See [`super::subtract`], which has checked the arguments; there is something to subtract.
pub(super) fn subtract(
    isa: Isa,
    rows: &mut [f64],
    stride: usize,
    k: Range<usize>,
    to: usize,
    panel: &[f64],
) {
    match Compiled::of(isa) {
        #[cfg(target_arch = "x86_64")]
        Compiled::Avx512 => in_tiles(rows, stride, avx512::ROWS, |tile, height| {
            // SAFETY: `Compiled::of` returns only what this processor has. The tile has `height`
            // rows, at most as many as the level takes, and the columns were checked above.
            unsafe { avx512::subtract(Tile::new(tile, stride, height, &k, to, panel)) }
        }),
        #[cfg(target_arch = "x86_64")]
        Compiled::Avx2 => in_tiles(rows, stride, avx2::ROWS, |tile, height| {
            // SAFETY: as above.
            unsafe { avx2::subtract(Tile::new(tile, stride, height, &k, to, panel)) }
        }),
        _ => reference::subtract_at(isa, rows, stride, k, to, panel),
    }
}

/// Calls `multiply` with parts of `rows` that differ by one row at most, and how many rows each
/// has.
#[cfg(target_arch = "x86_64")]
fn in_tiles(
    rows: &mut [f64],
    stride: usize,
    most: usize,
    mut multiply: impl FnMut(&mut [f64], usize),
) {
    let mut rest = rows;
    let mut left = rest.len() / stride;
    for tiles in (1..=left.div_ceil(most)).rev() {
        let height = left.div_ceil(tiles);
        let (tile, below) = rest.split_at_mut(height * stride);
        multiply(tile, height);
        rest = below;
        left -= height;
    }
}
