//! Copies of the operands in the order in which the tiles read them.
//!
//! B is packed into panels of 32 columns, a panel's rows one after the other; the last panel is
//! filled up with zeros.

use std::ops::Range;

use ndarray::{ArrayView2, CowArray, Ix2, s};

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
        let mut data = vec![0.0; k * n.div_ceil(PANEL) * PANEL];
        let best = Isa::available().filter_map(Level::of).last();
        let transpose = best.map_or(transpose as Transpose, |level| level.transpose);
        if k > 0 {
            for (panel, to) in data.chunks_exact_mut(k * PANEL).enumerate() {
                b.pack_panel(transpose, 0..k, panel, to);
            }
        }
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

    /// Packs rows `k` of panel `panel` of a B.
    pub(super) fn pack_panel(
        &self,
        transpose: Transpose,
        k: Range<usize>,
        panel: usize,
        to: &mut [f32],
    ) {
        let n = self
            .runs
            .len_of(ndarray::Axis(usize::from(!self.transposed)));
        let cols = panel * PANEL..n.min((panel + 1) * PANEL);
        let width = cols.len();
        if width < PANEL {
            to.fill(0.0);
        }
        if self.transposed {
            // SAFETY: the transpose is one of a level that the processor has.
            unsafe { transpose(self.runs.slice(s![cols, k]), to, PANEL) };
        } else {
            let rows = self.runs.slice(s![k, cols]);
            for (from, to) in rows.outer_iter().zip(to.chunks_exact_mut(PANEL)) {
                copy(from, &mut to[..width]);
            }
        }
    }
}

/// See [`Level::transpose`].
pub(super) type Transpose = unsafe fn(ArrayView2<'_, f32>, &mut [f32], usize);

fn copy(from: ndarray::ArrayView1<'_, f32>, to: &mut [f32]) {
    match from.to_slice() {
        Some(from) => to.copy_from_slice(from),
        None => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
    }
}

/// As [`Level::transpose`], on any machine.
fn transpose(from: ArrayView2<'_, f32>, to: &mut [f32], to_stride: usize) {
    for ((r, c), &value) in from.indexed_iter() {
        to[c * to_stride + r] = value;
    }
}
