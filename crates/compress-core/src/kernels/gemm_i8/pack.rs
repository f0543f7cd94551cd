//! The weights in the order in which the tiles read them.
//!
//! Panels of 16 columns, one after the other. In a panel each four rows of B lie together, column
//! by column: 64 bytes, which are one operand of `vpdpbusd` and one row of an AMX tile. Rows are
//! filled up with zeros to a multiple of 64, whole tiles.

use ndarray::ArrayView2;

use crate::kernels::lines::{LINE, Lines};

/// Columns of a panel.
pub(super) const PANEL: usize = 16;
/// Rows that lie together.
pub(super) const QUAD: usize = 4;
/// What the number of rows is rounded up to: as many as an AMX tile has.
pub(super) const DEPTH: usize = 64;

/// The B of an integer product, packed once for many products: the weights of inference.
///
/// Panels are the same at every level. They take a byte for each weight, with `k` rounded up to
/// a multiple of 64 and `n` to one of 16.
#[derive(Clone, Debug)]
pub struct PackedI8 {
    lines: Lines,
    k: usize,
    n: usize,
    /// The sum of each column, which a zero point of A is multiplied with.
    sums: Vec<i32>,
}

impl PackedI8 {
    /// Packs B `[k, n]`, which may be a transposed view: `PackedI8::pack(w.t())` for weights
    /// `[out, in]`.
    ///
    /// # Panics
    /// Where the panels would take more than `isize::MAX` bytes, which only a view that repeats
    /// its elements can ask for.
    pub fn pack(b: ArrayView2<'_, i8>) -> Self {
        let (k, n) = b.dim();
        let quads = k.next_multiple_of(DEPTH) / QUAD;
        // What is more than all memory fails where it is asked for.
        let mut lines = Lines::zeroed(n.div_ceil(PANEL).saturating_mul(quads.saturating_mul(LINE)));
        let bytes = lines.bytes_mut();
        let mut sums = vec![0i32; n];
        for (j, (column, sum)) in b.columns().into_iter().zip(&mut sums).enumerate() {
            let panel = &mut bytes[j / PANEL * quads * LINE..];
            for (i, &value) in column.iter().enumerate() {
                panel[i / QUAD * LINE + j % PANEL * QUAD + i % QUAD] = value as u8;
                *sum = sum.wrapping_add(i32::from(value));
            }
        }
        PackedI8 { lines, k, n, sums }
    }

    /// Rows and columns of B: `(k, n)`.
    pub fn dim(&self) -> (usize, usize) {
        (self.k, self.n)
    }

    /// Bytes that the panels take.
    pub fn bytes(&self) -> usize {
        self.lines.bytes().len()
    }

    /// The sum of each column.
    pub(super) fn sums(&self) -> &[i32] {
        &self.sums
    }

    /// How many panels there are.
    pub(super) fn panel_count(&self) -> usize {
        self.n.div_ceil(PANEL)
    }

    /// Bytes of a panel.
    pub(super) fn panel_bytes(&self) -> usize {
        self.k.next_multiple_of(DEPTH) / QUAD * LINE
    }

    /// Some panels, one after the other.
    pub(super) fn panels(&self, panels: std::ops::Range<usize>) -> &[u8] {
        let size = self.panel_bytes();
        &self.lines.bytes()[panels.start * size..panels.end * size]
    }
}
