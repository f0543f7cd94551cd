//! The register tiles, written once for vectors of any width.
//!
//! Each is an `#[inline(always)]` body that the levels compile with their own instructions.

use super::lanes::Lanes;
use super::layout::{BLOCK, Index, SLICE, WINDOW};

/// What the chains of a tile's rows start from and what is done with them at the end.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a, const ROWS: usize> {
    /// The chains' beginnings.
    pub start: [f32; ROWS],
    /// With int8 values: scales and biases, `y = scale·chain + bias` in one rounding.
    pub scaled: Option<([f32; ROWS], [f32; ROWS])>,
    pub relu: bool,
    /// Where each row of the tile lies in Y; fewer than `ROWS` at the end of the matrix.
    pub rows: &'a [u32],
    /// Y, `[.., y_stride]`.
    pub y: *mut f32,
    pub y_stride: usize,
}

/// A slice of scattered non-zeros and a panel of X.
///
/// It is valid when every column has a row in the panel `x`, `[k, width]`; when there are as
/// many columns and values as `lengths` adds up to, which do not increase; and when `y` can be
/// written at `rows[r]·y_stride + j` for `j < width`, with nobody else touching it.
pub(super) struct SliceTile<'a, I> {
    pub columns: &'a [I],
    pub values: &'a [f32],
    pub lengths: &'a [u32; SLICE],
    pub x: *const f32,
    pub ends: Ends<'a, SLICE>,
}

/// A row of blocks, each of one column and [`BLOCK`] rows, and a panel of X, as in [`SliceTile`].
pub(super) struct BlockTile<'a> {
    pub columns: &'a [u32],
    /// `BLOCK` for each column.
    pub values: &'a [f32],
    pub x: *const f32,
    pub ends: Ends<'a, BLOCK>,
}

/// Some rows of blocks and one column of X, `[k]`.
///
/// It is valid when there are 1 to 4 of them, as a window has; when every column is one of X; and
/// when `y` can be written as in [`SliceTile`].
pub(super) struct BlockColumn<'a> {
    /// Where the columns of each row of blocks begin, and where the last ones end, all counted
    /// from the same place.
    pub starts: &'a [usize],
    pub columns: &'a [u32],
    /// `BLOCK` for each column.
    pub values: &'a [f32],
    pub x: *const f32,
    pub ends: Ends<'a, WINDOW>,
}

/// Some rows, [`BLOCK`] at a time, of groups of 2 of 4, and one column of X.
///
/// It is valid when there are 1 to 4 `blocks`, as a window has; when X has four elements for each
/// group; and when `y` can be written as in [`SliceTile`].
pub(super) struct GroupColumn<'a> {
    pub blocks: usize,
    /// Block by block, two slots for each group, each of 2 bits for each row, lowest first.
    pub positions: &'a [u32],
    /// Block by block, two slots for each group, each of a value for each row.
    pub values: &'a [f32],
    pub x: *const f32,
    pub ends: Ends<'a, WINDOW>,
}

/// `R` rows of the slice at a time, times `V` vectors of columns.
///
/// # Safety
/// The processor has the level of `S`, the tile is valid, its panel `V` vectors wide, and `R`
/// divides [`SLICE`].
#[inline(always)]
pub(super) unsafe fn slice<S: Lanes, I: Index, const R: usize, const V: usize>(
    t: &SliceTile<'_, I>,
) {
    let width = V * S::COUNT;
    let (full, longest) = (t.lengths[SLICE - 1] as usize, t.lengths[0] as usize);
    for first in (0..SLICE).step_by(R) {
        // SAFETY: by the contract, the entries of the slots that all rows have come first, 8 each,
        // and after them those of the rows that are longer; each column is a row of X.
        unsafe {
            let mut acc: [[S; V]; R] = t.ends.begin(first);
            let (mut column, mut value) = (
                t.columns.as_ptr().wrapping_add(first),
                t.values.as_ptr().wrapping_add(first),
            );
            for _ in 0..full {
                for (r, acc) in acc.iter_mut().enumerate() {
                    let x = t.x.add((*column.add(r)).get() * width);
                    multiply::<S, V>(*value.add(r), x, acc);
                }
                column = column.wrapping_add(SLICE);
                value = value.wrapping_add(SLICE);
            }
            let mut at = full * SLICE;
            for slot in full..longest {
                let count = t.lengths.iter().filter(|l| **l as usize > slot).count();
                for (r, acc) in acc.iter_mut().enumerate() {
                    if first + r < count {
                        let entry = at + first + r;
                        let x = t.x.add((*t.columns.as_ptr().add(entry)).get() * width);
                        multiply::<S, V>(*t.values.as_ptr().add(entry), x, acc);
                    }
                }
                at += count;
            }
            t.ends.finish(first, acc);
        }
    }
}

/// `R` rows of the blocks at a time, times `V` vectors of columns.
///
/// # Safety
/// As [`slice`]; `R` divides [`BLOCK`].
#[inline(always)]
pub(super) unsafe fn blocks<S: Lanes, const R: usize, const V: usize>(t: &BlockTile<'_>) {
    let width = V * S::COUNT;
    for first in (0..BLOCK).step_by(R) {
        // SAFETY: by the contract each column is a row of X and has `BLOCK` values.
        unsafe {
            let mut acc: [[S; V]; R] = t.ends.begin(first);
            for (i, &column) in t.columns.iter().enumerate() {
                let value = t.values.as_ptr().add(i * BLOCK + first);
                let x = t.x.add(column as usize * width);
                let x: [S; V] = std::array::from_fn(|v| S::load(x.add(v * S::COUNT)));
                for (r, acc) in acc.iter_mut().enumerate() {
                    let w = S::splat(*value.add(r));
                    for (acc, &x) in acc.iter_mut().zip(&x) {
                        *acc = w.mul_add(x, *acc);
                    }
                }
            }
            t.ends.finish(first, acc);
        }
    }
}

/// One column of X: lanes are rows, `V` vectors of them make a block. The blocks that all rows of
/// blocks have go side by side, so that their chains do not wait for each other.
///
/// # Safety
/// The processor has the level of `S`, and the tile is valid.
#[inline(always)]
pub(super) unsafe fn block_column<S: Lanes, const V: usize>(t: &BlockColumn<'_>) {
    // SAFETY: passed on from the caller; the number of rows of blocks is the one matched.
    unsafe {
        match t.starts.len() {
            2 => block_column_of::<S, V, 1>(t),
            3 => block_column_of::<S, V, 2>(t),
            4 => block_column_of::<S, V, 3>(t),
            _ => block_column_of::<S, V, 4>(t),
        }
    }
}

/// # Safety
/// As [`block_column`]; there are `B` rows of blocks.
#[inline(always)]
unsafe fn block_column_of<S: Lanes, const V: usize, const B: usize>(t: &BlockColumn<'_>) {
    let from: [usize; B] = std::array::from_fn(|b| t.starts[b] - t.starts[0]);
    let columns: [&[u32]; B] =
        std::array::from_fn(|b| &t.columns[from[b]..][..t.starts[b + 1] - t.starts[b]]);
    let shared = columns.iter().map(|c| c.len()).min().unwrap_or(0);
    let all = &t.values[..t.columns.len() * BLOCK];
    // SAFETY: by the contract each column is an element of X; each has `BLOCK` values.
    unsafe {
        let mut acc: [[S; V]; B] = t.ends.begin_column();
        let step = |acc: &mut [S; V], b: usize, i: usize| {
            let value = all.as_ptr().add((from[b] + i) * BLOCK);
            let x = S::splat(*t.x.add(columns[b][i] as usize));
            for (v, acc) in acc.iter_mut().enumerate() {
                *acc = S::load(value.add(v * S::COUNT)).mul_add(x, *acc);
            }
        };
        for i in 0..shared {
            for (b, acc) in acc.iter_mut().enumerate() {
                step(acc, b, i);
            }
        }
        for (b, acc) in acc.iter_mut().enumerate() {
            for i in shared..columns[b].len() {
                step(acc, b, i);
            }
        }
        t.ends.finish_column(acc);
    }
}

/// One column of X, as [`block_column`]: the blocks go side by side for the same reason.
///
/// # Safety
/// As [`block_column`].
#[inline(always)]
pub(super) unsafe fn group_column<S: Lanes, const V: usize>(t: &GroupColumn<'_>) {
    // SAFETY: passed on from the caller; the number of blocks is the one matched.
    unsafe {
        match t.blocks {
            1 => group_column_of::<S, V, 1>(t),
            2 => group_column_of::<S, V, 2>(t),
            3 => group_column_of::<S, V, 3>(t),
            _ => group_column_of::<S, V, 4>(t),
        }
    }
}

/// # Safety
/// As [`group_column`]; there are `B` blocks.
#[inline(always)]
unsafe fn group_column_of<S: Lanes, const V: usize, const B: usize>(t: &GroupColumn<'_>) {
    let slots = t.positions.len() / B;
    let values = &t.values[..B * slots * BLOCK];
    // SAFETY: there are two slots for each group, of `BLOCK` values each, in each block, and by
    // the contract X has four elements for each group.
    unsafe {
        let mut acc: [[S; V]; B] = t.ends.begin_column();
        for group in 0..slots / 2 {
            let x = S::fours(t.x.add(4 * group));
            for slot in [2 * group, 2 * group + 1] {
                for (b, acc) in acc.iter_mut().enumerate() {
                    let places = *t.positions.as_ptr().add(b * slots + slot);
                    let value = values.as_ptr().add((b * slots + slot) * BLOCK);
                    for (v, acc) in acc.iter_mut().enumerate() {
                        let first = v * S::COUNT;
                        *acc = S::load(value.add(first)).mul_add(x.pick(places, first), *acc);
                    }
                }
            }
        }
        t.ends.finish_column(acc);
    }
}

/// `acc += value·x` for `V` vectors.
#[inline(always)]
unsafe fn multiply<S: Lanes, const V: usize>(value: f32, x: *const f32, acc: &mut [S; V]) {
    // SAFETY: passed on from the caller.
    unsafe {
        let w = S::splat(value);
        for (v, acc) in acc.iter_mut().enumerate() {
            *acc = w.mul_add(S::load(x.add(v * S::COUNT)), *acc);
        }
    }
}

impl<const ROWS: usize> Ends<'_, ROWS> {
    /// What the chains of rows `first..first + R` start from.
    #[inline(always)]
    unsafe fn begin<S: Lanes, const R: usize, const V: usize>(&self, first: usize) -> [[S; V]; R] {
        // SAFETY: passed on from the caller. A loop, as `array::from_fn` may be a call.
        unsafe {
            let mut acc = [[S::splat(0.0); V]; R];
            for (r, acc) in acc.iter_mut().enumerate() {
                *acc = [S::splat(self.start[first + r]); V];
            }
            acc
        }
    }

    /// Ends the chains of rows `first..first + R` and writes them.
    #[inline(always)]
    unsafe fn finish<S: Lanes, const R: usize, const V: usize>(
        &self,
        first: usize,
        acc: [[S; V]; R],
    ) {
        for (r, acc) in acc.into_iter().enumerate() {
            let Some(&row) = self.rows.get(first + r) else {
                return;
            };
            // SAFETY: by the contract Y can be written at the row.
            unsafe {
                let to = self.y.add(row as usize * self.y_stride);
                for (v, mut sum) in acc.into_iter().enumerate() {
                    if let Some((scale, bias)) = &self.scaled {
                        sum = S::splat(scale[first + r]).mul_add(sum, S::splat(bias[first + r]));
                    }
                    let sum = if self.relu { sum.relu() } else { sum };
                    sum.store(to.add(v * S::COUNT));
                }
            }
        }
    }

    /// What the chains of one column start from, in `B` blocks of `V` vectors.
    #[inline(always)]
    unsafe fn begin_column<S: Lanes, const V: usize, const B: usize>(&self) -> [[S; V]; B] {
        const { assert!(V * S::COUNT == BLOCK && B * BLOCK <= ROWS) };
        let start = self.start.as_ptr();
        let vector = |b: usize, v: usize| {
            // SAFETY: `B` blocks are at most `ROWS` elements.
            unsafe { S::load(start.add(b * BLOCK + v * S::COUNT)) }
        };
        std::array::from_fn(|b| std::array::from_fn(|v| vector(b, v)))
    }

    /// Ends the chains of one column, as from [`Ends::begin_column`], and writes them.
    #[inline(always)]
    unsafe fn finish_column<S: Lanes, const V: usize, const B: usize>(&self, acc: [[S; V]; B]) {
        const { assert!(V * S::COUNT == BLOCK && B * BLOCK <= ROWS) };
        let mut sums = [0.0; ROWS];
        for (v, mut sum) in acc.into_iter().flatten().enumerate() {
            // SAFETY: `B` blocks are at most `ROWS` elements; by the contract Y can be written.
            unsafe {
                let at = v * S::COUNT;
                if let Some((scale, bias)) = &self.scaled {
                    let scale = S::load(scale.as_ptr().add(at));
                    sum = scale.mul_add(sum, S::load(bias.as_ptr().add(at)));
                }
                let sum = if self.relu { sum.relu() } else { sum };
                sum.store(sums.as_mut_ptr().add(at));
            }
        }
        for (&row, sum) in self.rows.iter().zip(sums) {
            // SAFETY: by the contract Y can be written at the row.
            unsafe { *self.y.add(row as usize * self.y_stride) = sum };
        }
    }
}
