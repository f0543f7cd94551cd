//! Copies of the operands in the order in which the tiles read them.
//!
//! B is packed into panels of 32 columns, a panel's rows one after the other; the last panel is
//! filled up with zeros.

use std::ops::Range;

use ndarray::{ArrayView2, Axis, CowArray, Ix2, s};

use super::tile::{Level, PANEL};
use crate::isa::Isa;

/// The B of a product, packed once for many products: the weights of inference.
///
/// The panels are the same at every level.
#[derive(Clone, Debug)]
pub struct PackedB {
    data: Vec<f32>,
    k: usize,
    n: usize,
}

impl PackedB {
    /// Packs B `[k, n]`, which may be a transposed view: `PackedB::pack(w.t())` for weights
    /// `[out, in]`.
    pub fn pack(b: ArrayView2<'_, f32>) -> Self {
        let (k, n) = b.dim();
        let b = Operand::new(b);
        let panels = n.div_ceil(PANEL);
        let mut data = vec![0.0; k * panels * PANEL];
        let best = Isa::available().filter_map(Level::of).last();
        let transpose = best.map_or(transpose as Transpose, |level| level.transpose);
        b.pack_panels(transpose, 0..k, 0..panels, &mut data);
        PackedB { data, k, n }
    }

    /// Rows and columns of B: `(k, n)`.
    pub fn dim(&self) -> (usize, usize) {
        (self.k, self.n)
    }

    /// Rows `k` of a panel.
    pub(super) fn panel(&self, panel: usize, k: Range<usize>) -> &[f32] {
        let panel = &self.data[panel * self.k * PANEL..][..self.k * PANEL];
        &panel[k.start * PANEL..k.end * PANEL]
    }
}

impl PackedB {
    /// A whole panel: `[k, 32]`.
    pub(super) fn panel_view(&self, panel: usize) -> ArrayView2<'_, f32> {
        let data = &self.data[panel * self.k * PANEL..][..self.k * PANEL];
        ArrayView2::from_shape((self.k, PANEL), data).expect("a panel has k rows")
    }
}

/// A matrix as packing reads it: contiguous runs, which are its rows or its columns.
pub(super) struct Operand<'a> {
    /// The matrix or its transpose; what is contiguous comes first.
    runs: CowArray<'a, f32, Ix2>,
    /// Whether the runs are columns.
    transposed: bool,
}

impl<'a> Operand<'a> {
    /// Borrows the view where its rows or columns are contiguous, else copies it.
    pub(super) fn new(view: ArrayView2<'a, f32>) -> Self {
        let by_rows = view.ncols() <= 1 || view.strides()[1] == 1;
        let by_cols = view.nrows() <= 1 || view.strides()[0] == 1;
        let (runs, transposed) = if by_rows {
            (view.into(), false)
        } else if by_cols {
            (view.reversed_axes().into(), true)
        } else {
            (view.as_standard_layout().into_owned().into(), false)
        };
        Operand { runs, transposed }
    }

    /// Packs rows `k` of some panels of a B, one panel after the other.
    pub(super) fn pack_panels(
        &self,
        transpose: Transpose,
        k: Range<usize>,
        panels: Range<usize>,
        to: &mut [f32],
    ) {
        let n = self.runs.len_of(Axis(usize::from(!self.transposed)));
        let size = k.len() * PANEL;
        if size == 0 || panels.is_empty() {
            return;
        }
        let cols = |panel: usize| panel * PANEL..n.min((panel + 1) * PANEL);
        if cols(panels.end - 1).len() < PANEL {
            to[(panels.len() - 1) * size..].fill(0.0);
        }
        if self.transposed {
            for (panel, to) in panels.zip(to.chunks_exact_mut(size)) {
                let from = self.runs.slice(s![cols(panel), k.clone()]);
                // SAFETY: the transpose is one of a level that the processor has.
                unsafe { transpose(from, to, PANEL) };
            }
            return;
        }
        // Row by row across the panels: what is read lies together.
        let from = self.runs.slice(s![k, panels.start * PANEL..n.min(panels.end * PANEL)]);
        for (row, from) in from.outer_iter().enumerate() {
            let panels = to.chunks_exact_mut(size).map(|panel| &mut panel[row * PANEL..]);
            match from.to_slice() {
                Some(from) => from.chunks(PANEL).zip(panels).for_each(|(from, to)| copy(from, to)),
                None => from.iter().zip(panels).for_each(|(from, to)| to[0] = *from),
            }
        }
    }
}

/// Copies a row of a panel; the length of a full one is known to the compiler.
fn copy(from: &[f32], to: &mut [f32]) {
    match (from.first_chunk::<PANEL>(), to.first_chunk_mut::<PANEL>()) {
        (Some(from), Some(to)) => *to = *from,
        _ => to[..from.len()].copy_from_slice(from),
    }
}

/// See [`Level::transpose`].
pub(super) type Transpose = unsafe fn(ArrayView2<'_, f32>, &mut [f32], usize);

/// As [`Level::transpose`], on any machine.
fn transpose(from: ArrayView2<'_, f32>, to: &mut [f32], to_stride: usize) {
    for ((r, c), &value) in from.indexed_iter() {
        to[c * to_stride + r] = value;
    }
}
