//! The matrix as the kernels want it: rows that lie apart by an odd number of cache lines, with
//! room for whole panels of columns.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use crate::Result;
use crate::kernels::lines::LINE;
use crate::kernels::subtract_f64::PANEL;
use crate::kernels::{Threads, memory};

/// Rows that a thread computes at a time: whole tiles of every level. With a block's depth they
/// take 170 KB of the second cache.
pub(super) const STRIP: usize = 84;

/// Rows and columns that are copied together, so that one of both sides stays in the cache.
const SQUARE: usize = 32;
/// Elements from which on a copy is shared among threads.
const SHARED: usize = 1 << 16;

/// Which part of a matrix to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    All,
    /// The diagonal and what is below; zero elsewhere.
    Lower,
}

/// `[count, length]` in rows of `stride`.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    count: usize,
    length: usize,
    stride: usize,
    data: Vec<f64>,
}

impl Rows {
    /// Zeros, for an operand `what`.
    ///
    /// # Errors
    /// Where memory does not hold them.
    pub(super) fn zeros(what: &str, count: usize, length: usize) -> Result<Self> {
        // An even number of lines, and one more: rows at a distance of a power of two would
        // compete for the same lines of the first cache.
        let stride = length.next_multiple_of(PANEL) + LINE / size_of::<f64>();
        let data = memory::zeros(memory::product([count, stride]));
        Ok(Rows {
            count,
            length,
            stride,
            data: data.ok_or_else(|| memory::too_large(what, &[count, length]))?,
        })
    }

    /// Zeros of the same size.
    pub(super) fn zeros_alike(&self) -> Self {
        let data = vec![0.0; self.data.len()];
        Rows { data, ..*self }
    }

    /// Copies a matrix of as many rows and columns onto zeros; or else the first NaN or infinity of
    /// the part, with its position in `from` row by row.
    pub(super) fn read(
        &mut self,
        from: ArrayView2<'_, f64>,
        part: Part,
    ) -> Result<(), (usize, f64)> {
        let (count, length) = from.dim();
        let stride = self.stride;
        let bad = strips(
            &mut self.data,
            SQUARE * stride,
            count * length >= SHARED,
            |i, strip| {
                let first = i * SQUARE;
                let height = strip.len() / stride;
                let reach = match part {
                    Part::All => length,
                    Part::Lower => first + height,
                };
                let to = ArrayViewMut2::from_shape((height, stride), strip);
                let mut to = to
                    .expect("a strip has whole rows")
                    .slice_move(s![.., ..reach]);
                copy(
                    from.slice(s![first..first + height, ..reach]),
                    to.view_mut(),
                );
                for (r, mut row) in to.outer_iter_mut().enumerate() {
                    let row = row.as_slice_mut().expect("rows are contiguous");
                    let own = if part == Part::Lower {
                        first + r + 1
                    } else {
                        reach
                    };
                    let (own, above) = row.split_at_mut(own);
                    above.fill(0.0);
                    if let Some(at) = own.iter().position(|v| !v.is_finite()) {
                        return Some(((first + r) * length + at, own[at]));
                    }
                }
                None
            },
        );
        match bad.into_iter().flatten().next() {
            Some(bad) => Err(bad),
            None => Ok(()),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The columns of a row.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// From one row to the next.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    pub(super) fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.stride..][..self.length]
    }

    /// Some rows, one after the other, with what lies between.
    pub(super) fn rows(&self, which: Range<usize>) -> &[f64] {
        &self.data[which.start * self.stride..which.end * self.stride]
    }

    /// All rows, one after the other, with what lies between.
    pub(super) fn data_mut(&mut self) -> &mut [f64] {
        &mut self.data
    }

    pub(super) fn view(&self) -> ArrayView2<'_, f64> {
        let rows = ArrayView2::from_shape((self.count, self.stride), &self.data);
        let rows = rows.expect("there are as many");
        rows.slice_move(s![.., ..self.length])
    }

    /// Each row back to front.
    pub(super) fn reverse_columns(&mut self) {
        let (length, stride) = (self.length, self.stride);
        for row in self.data.chunks_exact_mut(stride) {
            row[..length].reverse();
        }
    }
}

/// Calls `work` with parts of `data` of at most `size`, each with its index; on the current pool
/// where they are shared. Returns what it returned, in order.
pub(super) fn strips<T: Send>(
    data: &mut [f64],
    size: usize,
    share: bool,
    work: impl Fn(usize, &mut [f64]) -> T + Sync,
) -> Vec<T> {
    if share {
        let parts = data.par_chunks_mut(size).enumerate();
        parts.map(|(i, part)| work(i, part)).collect()
    } else {
        let parts = data.chunks_mut(size).enumerate();
        parts.map(|(i, part)| work(i, part)).collect()
    }
}

/// An array of our own, row-major, from a view of any order.
pub(super) fn to_array(from: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut to = Array2::zeros(from.dim());
    each_square_row(to.view_mut(), |first, to| {
        copy(from.slice(s![first..first + to.nrows(), ..]), to);
    });
    to
}

/// The symmetric array whose upper triangle, the diagonal with it, is that of `from`.
pub(super) fn mirrored(from: ArrayView2<'_, f64>) -> Array2<f64> {
    let n = from.nrows();
    let mut to = Array2::zeros((n, n));
    each_square_row(to.view_mut(), |first, mut to| {
        let rows = first..first + to.nrows();
        let (below, above) = to.view_mut().split_at(Axis(1), first);
        copy(from.slice(s![rows.clone(), first..]), above);
        copy(from.slice(s![..first, rows]).reversed_axes(), below);
        for i in 0..to.nrows() {
            for j in 0..i {
                to[(i, first + j)] = to[(j, first + i)];
            }
        }
    });
    to
}

/// Calls `work` with [`SQUARE`] rows of `to` at a time and the first of them.
fn each_square_row(
    mut to: ArrayViewMut2<'_, f64>,
    work: impl Fn(usize, ArrayViewMut2<'_, f64>) + Sync,
) {
    let share = to.len() >= SHARED && Threads::Pool.share(usize::MAX);
    let parts: Vec<_> = to.axis_chunks_iter_mut(Axis(0), SQUARE).collect();
    let parts = parts.into_iter().enumerate();
    if share {
        let parts: Vec<_> = parts.collect();
        parts
            .into_par_iter()
            .for_each(|(i, to)| work(i * SQUARE, to));
    } else {
        parts.for_each(|(i, to)| work(i * SQUARE, to));
    }
}

/// Square by square along the rows.
fn copy(from: ArrayView2<'_, f64>, mut to: ArrayViewMut2<'_, f64>) {
    let columns = from.ncols();
    for left in (0..columns).step_by(SQUARE) {
        let right = columns.min(left + SQUARE);
        let from = from.slice(s![.., left..right]);
        to.slice_mut(s![.., left..right]).assign(&from);
    }
}
