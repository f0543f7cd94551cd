//! The specification of a tile, with no tricks.

use super::pack::{PANEL, QUAD};
use super::tile::{Level, Tile};
use crate::isa::Isa;
use crate::kernels::lines::LINE;

pub(super) const LEVEL: Level = Level {
    isa: Isa::Scalar,
    rows: 8,
    around: |work| work(),
    multiply,
};

/// See [`Level::multiply`].
///
/// # Safety
/// The tile is as [`Tile`] says.
unsafe fn multiply(t: &mut Tile<'_>) {
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
