//! The weights in the order in which the tiles read them.
//!
//! Panels of 16 columns, one after the other. In a panel each four rows of B lie together, column
//! by column: 64 bytes, which are one operand of `vpdpbusd` and one row of an AMX tile. Rows are
//! filled up with zeros to a multiple of 64, whole tiles.

use ndarray::ArrayView2;

use crate::Result;
use crate::kernels::lines::{LINE, Lines};
use crate::kernels::memory;

/// The operand that is packed, in errors.
pub(super) const OPERAND: &str = "B of a matrix product";

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
    /// # Errors
    /// Where memory does not hold the panels, which a view that repeats its elements can ask for.
    pub fn pack(b: ArrayView2<'_, i8>) -> Result<Self> {
        let (k, n) = b.dim();
        let too_large = || memory::too_large(OPERAND, &[k, n]);
        let quads = k.next_multiple_of(DEPTH) / QUAD;
        let panel = memory::product([quads, LINE]).ok_or_else(too_large)?;
        let lines = Lines::try_zeroed(memory::product([n.div_ceil(PANEL), panel]));
        let mut lines = lines.ok_or_else(too_large)?;
        let mut sums = Vec::new();
        memory::grow(&mut sums, Some(n), 0i32).ok_or_else(too_large)?;
        let bytes = lines.bytes_mut();
        for (j, (column, sum)) in b.columns().into_iter().zip(&mut sums).enumerate() {
            let panel = &mut bytes[j / PANEL * panel..];
            for (i, &value) in column.iter().enumerate() {
                panel[i / QUAD * LINE + j % PANEL * QUAD + i % QUAD] = value as u8;
                *sum = sum.wrapping_add(i32::from(value));
            }
        }
        Ok(PackedI8 { lines, k, n, sums })
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
