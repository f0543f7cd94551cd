//! Panels, and the rows that a level works on at a time.

#[cfg(target_arch = "x86_64")]
use std::ops::Range;

/// Columns that are computed together.
pub(crate) const PANEL: usize = 16;

/// A triangle of a panel: `[k, PANEL]`, zero where k is not below the column.
pub(crate) type Triangle = [[f64; PANEL]; PANEL];

/// A few rows for a level to work on.
///
/// The pointers are valid for `height` rows of `stride` elements, of which those from `a` on have
/// `k` columns and those from `c` on [`PANEL`], which do not overlap; `panel` is valid for
/// `k · PANEL` elements.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub a: *const f64,
    pub c: *mut f64,
    pub stride: usize,
    pub height: usize,
    pub k: usize,
    pub panel: *const f64,
}

#[cfg(target_arch = "x86_64")]
impl Tile {
    /// Of arguments that [`subtract`](super::subtract) has checked.
    pub(super) fn new(
        rows: &mut [f64],
        stride: usize,
        height: usize,
        k: &Range<usize>,
        to: usize,
        panel: &[f64],
    ) -> Self {
        let first = rows.as_mut_ptr();
        Tile {
            a: first.wrapping_add(k.start),
            c: first.wrapping_add(to),
            stride,
            height,
            k: k.len(),
            panel: panel.as_ptr(),
        }
    }

    /// Where every fourth row of A begins, so that no address waits for a long chain of additions.
    #[inline(always)]
    pub(super) fn a_quads(&self) -> [*const f64; 4] {
        std::array::from_fn(|quad| self.a.wrapping_add(4 * quad * self.stride))
    }
}
