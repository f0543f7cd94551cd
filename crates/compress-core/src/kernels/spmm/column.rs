//! A window of rows of W times one column of X.
//!
//! Scattered non-zeros go one by one: 8 chains, one for each row of a slice, hide the latency of
//! the additions.

use super::decode::{Decoded, decode_values};
use super::layout::{BLOCK, Columns, Form, Index, SLICE, Stored, WINDOW};
use super::product::Product;
use super::tile::{BlockColumn, Ends, GroupColumn};

/// Rows `window·WINDOW..` of W times `x`, into their rows of Y.
pub(super) fn window_column(p: &Product<'_>, window: usize, x: &[f32], y: &mut [f32]) {
    let first = window * WINDOW;
    Decoded::lend(|decoded| match &p.w.form {
        Form::Csr { .. } | Form::Bitmask { .. } => slices(p, first, x, y, decoded),
        Form::Blocks { .. } | Form::TwoOfFour { .. } => blocks(p, first, x, y, decoded),
    });
}

/// Scattered non-zeros.
fn slices(p: &Product<'_>, first: usize, x: &[f32], y: &mut [f32], decoded: &mut Decoded) {
    assert!(x.len() == p.w.k);
    let (Form::Csr { order, .. } | Form::Bitmask { order, .. }) = &p.w.form else {
        return;
    };
    for slice in (first / SLICE)..(first + y.len()).div_ceil(SLICE) {
        let mut ends = p.ends(first, order.slice_rows(slice));
        let lengths = &order.lengths[slice];
        let range = order.starts[slice]..order.starts[slice + 1];
        let start = ends.start;
        // SAFETY: the columns of a sparse matrix are below `k`, as built, which is the length of
        // `x`; the product has a level, which the processor has, and each has FMA.
        let sums = unsafe {
            match (&p.w.form, &p.w.values) {
                (Form::Csr { columns, .. }, Stored::F32(v)) => match columns {
                    Columns::Narrow(c) => chains(&c[range.clone()], &v[range], lengths, x, start),
                    Columns::Wide(c) => chains(&c[range.clone()], &v[range], lengths, x, start),
                },
                (Form::Csr { columns, .. }, Stored::I8(v)) => match columns {
                    Columns::Narrow(c) => chains(&c[range.clone()], &v[range], lengths, x, start),
                    Columns::Wide(c) => chains(&c[range.clone()], &v[range], lengths, x, start),
                },
                _ => {
                    decoded.bitmask(p.w, slice);
                    chains(&decoded.columns, &decoded.values, lengths, x, start)
                }
            }
        };
        ends.start = sums;
        ends.finish_plain(y);
    }
}

/// Blocks, and groups of 2 of 4: lanes are rows.
fn blocks(p: &Product<'_>, first: usize, x: &[f32], y: &mut [f32], decoded: &mut Decoded) {
    assert!(x.len() == p.w.k && y.len() <= WINDOW);
    let blocks = (first / BLOCK)..(first + y.len()).div_ceil(BLOCK);
    let rows: [u32; WINDOW] = std::array::from_fn(|r| r as u32);
    let mut ends = p.ends(first, &rows[..y.len()]);
    (ends.y, ends.y_stride) = (y.as_mut_ptr(), 1);
    let x = x.as_ptr();
    match &p.w.form {
        Form::Blocks { starts, columns } => {
            let starts = &starts[blocks.start..=blocks.end];
            let range = starts[0]..starts[blocks.len()];
            let values = range.start * BLOCK..range.end * BLOCK;
            let tile = BlockColumn {
                starts,
                columns: &columns[range],
                values: decode_values(&p.w.values, values, &mut decoded.values),
                x,
                ends,
            };
            // SAFETY: a level is one that the processor has. A window has 1 to 4 rows of blocks.
            // Columns are below `k`, as built, which is the length of X. The rows are rows of Y,
            // which is borrowed mutably.
            unsafe { (p.level.block_column)(&tile) }
        }
        Form::TwoOfFour { positions } => {
            let slots = p.w.k / 2;
            let range = blocks.start * slots..blocks.end * slots;
            let values = range.start * BLOCK..range.end * BLOCK;
            let tile = GroupColumn {
                blocks: blocks.len(),
                positions: &positions[range],
                values: decode_values(&p.w.values, values, &mut decoded.values),
                x,
                ends,
            };
            // SAFETY: as above; `k` is a multiple of 4, as built, with two slots for each 4.
            unsafe { (p.level.group_column)(&tile) }
        }
        Form::Csr { .. } | Form::Bitmask { .. } => {}
    }
}

/// The chains of a slice.
///
/// # Safety
/// Every column is below the length of `x`, and the processor has FMA, as at every level.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "fma"))]
unsafe fn chains<I: Index, T: Copy + Into<f32>>(
    columns: &[I],
    values: &[T],
    lengths: &[u32; SLICE],
    x: &[f32],
    start: [f32; SLICE],
) -> [f32; SLICE] {
    let entries = lengths.iter().map(|&l| l as usize).sum::<usize>();
    assert!(columns.len() == entries && values.len() == entries);
    let mut sums = start;
    let (full, longest) = (lengths[SLICE - 1] as usize, lengths[0] as usize);
    let (even_columns, columns) = columns.split_at(full * SLICE);
    let (even_values, values) = values.split_at(full * SLICE);
    let (even_columns, _) = even_columns.as_chunks::<SLICE>();
    let (even_values, _) = even_values.as_chunks::<SLICE>();
    for (columns, values) in even_columns.iter().zip(even_values) {
        for r in 0..SLICE {
            // SAFETY: by the contract.
            let x = unsafe { *x.get_unchecked(columns[r].get()) };
            sums[r] = values[r].into().mul_add(x, sums[r]);
        }
    }
    let mut rest = columns.iter().zip(values);
    for slot in full..longest {
        let longer = lengths.iter().filter(|l| **l as usize > slot).count();
        for (sum, (column, &value)) in sums[..longer].iter_mut().zip(&mut rest) {
            // SAFETY: by the contract.
            let x = unsafe { *x.get_unchecked(column.get()) };
            *sum = value.into().mul_add(x, *sum);
        }
    }
    sums
}

impl Ends<'_, SLICE> {
    /// Ends the chains, which `start` holds, and writes them.
    fn finish_plain(&self, y: &mut [f32]) {
        for (r, &row) in self.rows.iter().enumerate() {
            let sum = match &self.scaled {
                Some((scale, bias)) => scale[r].mul_add(self.start[r], bias[r]),
                None => self.start[r],
            };
            y[row as usize] = if self.relu && sum <= 0.0 { 0.0 } else { sum };
        }
    }
}
