//! A window of rows of W times panels of X.

use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::buffer::Buffer;
use super::decode::{Decoded, decode_values};
use super::layout::{BLOCK, Columns, Form, Index, SLICE, WINDOW};
use super::product::Product;
use super::tile::{BlockTile, Ends, SliceTile};
use super::width::Width;
use crate::Result;
use crate::isa::Isa;
use crate::kernels::gemm_f32::transpose;

/// The widest panel of all levels.
const WIDEST: usize = 64;
/// Rows of a tile whose panel is not whole, written aside.
const ASIDE: [u32; BLOCK] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Some columns of X in panels, each `[k, width]`; the last is filled up with zeros.
pub(super) struct Panels {
    buffer: Buffer,
    k: usize,
    width: Width,
    count: usize,
}

impl Panels {
    /// Of X `[k, columns]`, whose rows are contiguous.
    pub(super) fn of_features(x: ArrayView2<'_, f32>, width: Width) -> Self {
        let (k, columns) = x.dim();
        let mut panels = Panels::new(k, columns, width);
        for (panel, x) in panels
            .buffers(columns)
            .zip(x.axis_chunks_iter(Axis(1), width.columns))
        {
            for (to, from) in panel.chunks_exact_mut(width.columns).zip(x.outer_iter()) {
                if let Some(from) = from.to_slice() {
                    to[..from.len()].copy_from_slice(from);
                }
            }
        }
        panels
    }

    /// Of X `[columns, k]`, whose rows are contiguous.
    pub(super) fn of_samples(isa: Isa, x: ArrayView2<'_, f32>, width: Width) -> Result<Self> {
        let (columns, k) = x.dim();
        let mut panels = Panels::new(k, columns, width);
        for (panel, x) in panels
            .buffers(columns)
            .zip(x.axis_chunks_iter(Axis(0), width.columns))
        {
            transpose(isa, x, panel, width.columns)?;
        }
        Ok(panels)
    }

    fn new(k: usize, columns: usize, width: Width) -> Self {
        let count = columns.div_ceil(width.columns);
        Panels {
            buffer: Buffer::take(k * count * width.columns),
            k,
            width,
            count,
        }
    }

    /// The memory of each panel; that of one that is not filled by `columns` is zero.
    fn buffers(&mut self, columns: usize) -> impl Iterator<Item = &mut [f32]> {
        let size = self.k * self.width.columns;
        let floats = self.buffer.floats_mut();
        if columns < self.count * self.width.columns {
            floats[(self.count - 1) * size..].fill(0.0);
        }
        floats.chunks_exact_mut(size.max(1))
    }

    /// Columns, with those that fill the last panel up.
    pub(super) fn columns(&self) -> usize {
        self.count * self.width.columns
    }

    fn panel(&self, panel: usize) -> &[f32] {
        let size = self.k * self.width.columns;
        &self.buffer.floats()[panel * size..][..size]
    }
}

/// Rows `window·WINDOW..` of W times the panels, into their rows of Y and at most as many columns
/// as the panels have. The columns of Y are contiguous.
pub(super) fn window_panels(
    p: &Product<'_>,
    window: usize,
    panels: &Panels,
    y: ArrayViewMut2<'_, f32>,
) {
    Decoded::lend(|decoded| window_decoded(p, window, panels, y, decoded));
}

fn window_decoded(
    p: &Product<'_>,
    window: usize,
    panels: &Panels,
    mut y: ArrayViewMut2<'_, f32>,
    decoded: &mut Decoded,
) {
    let first = window * WINDOW;
    assert!(panels.k == p.w.k);
    let slices = (first / SLICE)..(first + y.nrows()).div_ceil(SLICE);
    match &p.w.form {
        Form::Csr { order, columns } => {
            for slice in slices {
                let (lengths, ends) = (
                    &order.lengths[slice],
                    p.ends(first, order.slice_rows(slice)),
                );
                let range = order.starts[slice]..order.starts[slice + 1];
                let values = decode_values(&p.w.values, range.clone(), &mut decoded.values);
                match columns {
                    Columns::Narrow(c) => {
                        let entries = (&c[range], values, lengths);
                        // SAFETY: a level is one that the processor has; columns are below `k`,
                        // as built, and a panel has `k` rows. So too below.
                        unsafe { slice_panels(panels.width.narrow, entries, ends, panels, &mut y) }
                    }
                    Columns::Wide(c) => {
                        let entries = (&c[range], values, lengths);
                        // SAFETY: as above.
                        unsafe { slice_panels(panels.width.wide, entries, ends, panels, &mut y) }
                    }
                }
            }
        }
        Form::Bitmask { order, .. } => {
            for slice in slices {
                decoded.bitmask(p.w, slice);
                let ends = p.ends(first, order.slice_rows(slice));
                let entries = (
                    &decoded.columns[..],
                    &decoded.values[..],
                    &order.lengths[slice],
                );
                // SAFETY: as above.
                unsafe { slice_panels(panels.width.wide, entries, ends, panels, &mut y) }
            }
        }
        Form::TwoOfFour { .. } => {
            for slice in slices {
                decoded.two_of_four(p.w, slice);
                let from = slice * SLICE - first;
                let rows = ASIDE.map(|r| from as u32 + r);
                let ends = p.ends(first, &rows[..(y.nrows() - from).min(SLICE)]);
                let lengths = &[(p.w.k / 2) as u32; SLICE];
                let entries = (&decoded.columns[..], &decoded.values[..], lengths);
                // SAFETY: as above.
                unsafe { slice_panels(panels.width.wide, entries, ends, panels, &mut y) }
            }
        }
        Form::Blocks { starts, columns } => {
            for block in (first / BLOCK)..(first + y.nrows()).div_ceil(BLOCK) {
                let range = starts[block]..starts[block + 1];
                let values = range.start * BLOCK..range.end * BLOCK;
                let values = decode_values(&p.w.values, values, &mut decoded.values);
                let from = block * BLOCK - first;
                let rows = ASIDE.map(|r| from as u32 + r);
                let ends = p.ends(first, &rows[..(y.nrows() - from).min(BLOCK)]);
                // SAFETY: as above.
                unsafe { block_panels(&columns[range], values, ends, panels, &mut y) }
            }
        }
    }
}

/// One slice times each panel.
///
/// # Safety
/// The processor has the level that `multiply` belongs to, which multiplies panels of this width,
/// and every column is a row of a panel.
unsafe fn slice_panels<I: Index>(
    multiply: unsafe fn(&SliceTile<'_, I>),
    (columns, values, lengths): (&[I], &[f32], &[u32; SLICE]),
    ends: Ends<'_, SLICE>,
    panels: &Panels,
    y: &mut ArrayViewMut2<'_, f32>,
) {
    let entries = lengths.iter().map(|&l| l as usize).sum::<usize>();
    assert!(columns.len() == entries && values.len() == entries);
    each_panel(ends, panels, y, |x, ends| {
        let tile = SliceTile {
            columns,
            values,
            lengths,
            x: x.as_ptr(),
            ends,
        };
        // SAFETY: passed on from the caller. The entries were counted; `each_panel` sees to Y.
        unsafe { multiply(&tile) }
    });
}

/// One row of blocks times each panel.
///
/// # Safety
/// Every column is a row of a panel.
unsafe fn block_panels(
    columns: &[u32],
    values: &[f32],
    ends: Ends<'_, BLOCK>,
    panels: &Panels,
    y: &mut ArrayViewMut2<'_, f32>,
) {
    assert!(values.len() == columns.len() * BLOCK);
    each_panel(ends, panels, y, |x, ends| {
        let tile = BlockTile {
            columns,
            values,
            x: x.as_ptr(),
            ends,
        };
        // SAFETY: a level is one that the processor has; else as in `slice_panels`.
        unsafe { (panels.width.blocks)(&tile) }
    });
}

/// Runs a tile for each panel, its `ends` pointing into Y; where Y does not have all columns of
/// the panel, at memory aside that is copied to Y afterwards.
fn each_panel<'a, const ROWS: usize>(
    ends: Ends<'a, ROWS>,
    panels: &Panels,
    y: &mut ArrayViewMut2<'_, f32>,
    mut run: impl FnMut(&[f32], Ends<'a, ROWS>),
) {
    let width = panels.width.columns;
    assert!(width <= WIDEST && y.ncols() <= panels.columns() && y.strides()[1] == 1);
    assert!(ends.rows.iter().all(|&row| (row as usize) < y.nrows()));
    for panel in 0..panels.count {
        let (x, first) = (panels.panel(panel), panel * width);
        let columns = y.ncols().saturating_sub(first).min(width);
        let mut ends = ends;
        if columns == width {
            // The rows are rows of Y, which is borrowed mutably and has the panel's columns.
            ends.y = y.as_mut_ptr().wrapping_add(first);
            ends.y_stride = y.strides()[0] as usize;
            run(x, ends);
        } else {
            let mut aside = [0.0; BLOCK * WIDEST];
            let rows = ends.rows;
            ends.rows = &ASIDE[..rows.len()];
            ends.y = aside.as_mut_ptr();
            ends.y_stride = width;
            run(x, ends);
            for (&row, from) in rows.iter().zip(aside.chunks(width)) {
                let mut to = y.row_mut(row as usize);
                let to = to.iter_mut().skip(first);
                to.zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }
}
