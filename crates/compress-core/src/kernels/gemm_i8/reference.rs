//! The specification of a tile, with no tricks.

use super::pack::{PANEL, QUAD};
use super::tile::Tile;
use crate::kernels::lines::LINE;

/// The most rows of a tile.
pub(super) const ROWS: usize = 8;

/// See [`Level::multiply`](super::dispatch::Level::multiply).
///
/// # Safety
/// The tile is as [`Tile`] says.
pub(super) unsafe fn multiply(t: &mut Tile<'_>) {
    for r in 0..t.rows {
        for (panel, &b) in t.b[..t.panels].iter().enumerate() {
            for j in 0..PANEL {
                let mut sum = 0i32;
                for i in 0..t.k {
                    // SAFETY: by the contract of `Tile`.
                    let (a, b) = unsafe {
                        let b = b.add(i / QUAD * LINE + j * QUAD + i % QUAD);
                        (*t.a.add(r * t.a_stride + i), *b as i8)
                    };
                    sum = sum.wrapping_add(i32::from(a) * i32::from(b));
                }
                t.sums.0[r][panel * PANEL + j] = sum;
            }
        }
    }
}
