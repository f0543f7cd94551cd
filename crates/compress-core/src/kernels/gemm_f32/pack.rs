//! B in the order in which the tiles read it: panels of 32 columns one after another, and in a
//! panel row after row. Zeros fill up the last panel.
//!
//! A is not packed. The tiles read it in place, at any strides, at no cost: its elements are
//! broadcast one by one in any case.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, Axis, CowArray, Ix2, s};

use super::dispatch::{Level, transpose};
use super::tile::PANEL;
use crate::kernels::lines::Lines;

/// The B of a product, packed once for many products: the weights of inference.
///
/// The panels are the same at every level, and a product with them has the same bits as one with
/// the B that they were packed from.
#[derive(Clone, Debug)]
pub struct PackedB {
    data: Lines,
    k: usize,
    n: usize,
}

impl PackedB {
    /// Packs B `[k, n]`, which may be a transposed view: `PackedB::pack(w.t())` for weights
    /// `[out, in]`. Takes the memory of B with its columns rounded up to a multiple of 32.
    ///
    /// # Panics
    /// Where that is more than `isize::MAX` bytes, which only a view that repeats its elements can
    /// ask for.
    pub fn pack(b: ArrayView2<'_, f32>) -> Self {
        let (k, n) = b.dim();
        let panels = n.div_ceil(PANEL);
        // A size beyond all memory makes the allocation fail.
        let bytes = panels
            .saturating_mul(k)
            .saturating_mul(PANEL * size_of::<f32>());
        let mut data = Lines::zeroed(bytes);
        Operand::new(b).pack_panels(Level::best(), 0..k, 0..panels, data.floats_mut());
        PackedB { data, k, n }
    }

    /// Rows and columns of B: `(k, n)`.
    pub fn dim(&self) -> (usize, usize) {
        (self.k, self.n)
    }

    /// From one panel to the next.
    pub(super) fn panel_size(&self) -> usize {
        self.k * PANEL
    }

    /// Some whole panels.
    pub(super) fn panels(&self, panels: Range<usize>) -> &[f32] {
        let size = self.panel_size();
        &self.data.floats()[panels.start * size..panels.end * size]
    }

    /// Rows `k` of a panel: `[k, 32]`.
    pub(super) fn panel(&self, panel: usize, k: Range<usize>) -> &[f32] {
        &self.data.floats()[panel * self.k * PANEL..][k.start * PANEL..k.end * PANEL]
    }
}

/// A B to be packed: contiguous runs, which are its rows or its columns.
pub(super) struct Operand<'a> {
    /// B, or its transpose where that is what has contiguous rows.
    runs: CowArray<'a, f32, Ix2>,
    transposed: bool,
}

impl<'a> Operand<'a> {
    /// Borrows the view where its rows or columns are contiguous, else copies it.
    pub(super) fn new(b: ArrayView2<'a, f32>) -> Self {
        let by_rows = b.ncols() <= 1 || b.strides()[1] == 1;
        let by_cols = b.nrows() <= 1 || b.strides()[0] == 1;
        let (runs, transposed) = if by_rows {
            (b.into(), false)
        } else if by_cols {
            (b.reversed_axes().into(), true)
        } else {
            (b.as_standard_layout().into_owned().into(), false)
        };
        Operand { runs, transposed }
    }

    /// Packs rows `k` of some panels, one panel after the other. `to` has their size.
    pub(super) fn pack_panels(
        &self,
        level: Option<Level>,
        k: Range<usize>,
        panels: Range<usize>,
        to: &mut [f32],
    ) {
        let size = k.len() * PANEL;
        if to.is_empty() {
            return;
        }
        let n = self.runs.len_of(Axis(usize::from(!self.transposed)));
        let cols = panels.start * PANEL..n.min(panels.end * PANEL);
        if cols.len() < panels.len() * PANEL {
            to[(panels.len() - 1) * size..].fill(0.0);
        }
        if self.transposed {
            let runs = self.runs.slice(s![cols, k]);
            for (from, to) in runs
                .axis_chunks_iter(Axis(0), PANEL)
                .zip(to.chunks_mut(size))
            {
                transpose(level, from, to, PANEL);
            }
        } else {
            // Row by row across the panels: what is read lies together.
            let runs = self.runs.slice(s![k, cols]);
            for (row, from) in runs.outer_iter().enumerate() {
                let panels = from
                    .axis_chunks_iter(Axis(0), PANEL)
                    .zip(to.chunks_mut(size));
                panels.for_each(|(from, to)| copy(from, &mut to[row * PANEL..]));
            }
        }
    }
}

/// Copies a row of a panel; the compiler knows the length of a whole one.
fn copy(from: ArrayView1<'_, f32>, to: &mut [f32]) {
    let whole = from.to_slice().and_then(|from| from.first_chunk::<PANEL>());
    match (whole, to.first_chunk_mut::<PANEL>()) {
        (Some(from), Some(to)) => *to = *from,
        _ => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
    }
}
