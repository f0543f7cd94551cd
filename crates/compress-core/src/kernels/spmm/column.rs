//! A window of rows of W times one column of X.
//!
//! Scattered non-zeros go one by one: 8 chains, one for each row of a slice, hide the latency of
//! the additions.

use super::decode::{Decoded, decode_values};
use super::product::Product;
use super::storage::{BLOCK, Columns, Form, SLICE, Stored, WINDOW};
use super::tile::{BlockTile, Ends, GroupTile, Index};

/// Rows `window·WINDOW..` of W times `x`, into their rows of Y.
pub(super) fn window_column(p: &Product<'_>, window: usize, x: &[f32], y: &mut [f32]) {
    let first = window * WINDOW;
    assert!(x.len() == p.w.k);
    match &p.w.form {
        Form::Csr { .. } | Form::Bitmask { .. } => slices(p, first, x, y),
        Form::Blocks { .. } | Form::TwoOfFour { .. } => blocks(p, first, x, y),
    }
}

/// Scattered non-zeros.
fn slices(p: &Product<'_>, first: usize, x: &[f32], y: &mut [f32]) {
    let mut decoded = Decoded::default();
    let (Form::Csr { order, .. } | Form::Bitmask { order, .. }) = &p.w.form else {
        return;
    };
    for slice in (first / SLICE)..(first + y.len()).div_ceil(SLICE) {
        let mut ends = p.ends(first, order.slice_rows(slice));
        let lengths = &order.lengths[slice];
        let range = order.starts[slice]..order.starts[slice + 1];
        let start = ends.start;
        let sums = match (&p.w.form, &p.w.values) {
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
        };
        ends.start = sums;
        ends.finish_plain(y);
    }
}

/// Blocks, and groups of 2 of 4: lanes are rows.
fn blocks(p: &Product<'_>, first: usize, x: &[f32], y: &mut [f32]) {
    let mut decoded = Decoded::default();
    for block in (first / BLOCK)..(first + y.len()).div_ceil(BLOCK) {
        let from = block * BLOCK - first;
        let rows: [u32; BLOCK] = std::array::from_fn(|r| (from + r) as u32);
        let mut ends = p.ends(first, &rows[..(y.len() - from).min(BLOCK)]);
        ends.y = y.as_mut_ptr();
        ends.y_stride = 1;
        let (slots, positions, columns) = match &p.w.form {
            Form::Blocks { starts, columns } => {
                let range = starts[block]..starts[block + 1];
                (range.clone(), &[][..], &columns[range])
            }
            Form::TwoOfFour { positions } => {
                let range = block * (p.w.k / 2)..(block + 1) * (p.w.k / 2);
                (range.clone(), &positions[range], &[][..])
            }
            _ => return,
        };
        let values = slots.start * BLOCK..slots.end * BLOCK;
        let values = decode_values(&p.w.values, values, &mut decoded.values);
        let x = x.as_ptr();
        // SAFETY: a level is one that the processor has. There are `BLOCK` values for each slot,
        // since slicing gave as many. Columns are below `k`, as built, and so are four elements
        // for each two slots of a group. The rows are rows of Y, which is borrowed mutably.
        unsafe {
            match p.w.form {
                Form::Blocks { .. } => (p.level.block_column)(&BlockTile {
                    columns,
                    values,
                    x,
                    ends,
                }),
                _ => (p.level.group_column)(&GroupTile {
                    positions,
                    values,
                    x,
                    ends,
                }),
            }
        }
    }
}

/// The chains of a slice.
fn chains<I: Index, T: Copy + Into<f32>>(
    columns: &[I],
    values: &[T],
    lengths: &[u32; SLICE],
    x: &[f32],
    start: [f32; SLICE],
) -> [f32; SLICE] {
    let entries = lengths.iter().map(|&l| l as usize).sum::<usize>();
    assert!(columns.len() == entries && values.len() == entries);
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("fma") {
        // SAFETY: the processor has what the function is compiled for; the columns of a sparse
        // matrix are below `k`, as built, which is the length of `x`.
        return unsafe { chains_fused(columns, values, lengths, x, start) };
    }
    // SAFETY: as above.
    unsafe { chains_body(columns, values, lengths, x, start) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "fma")]
unsafe fn chains_fused<I: Index, T: Copy + Into<f32>>(
    columns: &[I],
    values: &[T],
    lengths: &[u32; SLICE],
    x: &[f32],
    start: [f32; SLICE],
) -> [f32; SLICE] {
    // SAFETY: passed on from the caller.
    unsafe { chains_body(columns, values, lengths, x, start) }
}

/// # Safety
/// Every column is below the length of `x`.
#[inline(always)]
unsafe fn chains_body<I: Index, T: Copy + Into<f32>>(
    columns: &[I],
    values: &[T],
    lengths: &[u32; SLICE],
    x: &[f32],
    start: [f32; SLICE],
) -> [f32; SLICE] {
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
