//! Which weights of a layer are live, by row and by column.

use std::ops::Range;

use crate::{Error, Result};

/// The most rows or columns. Both take memory even if no weight is live.
const MOST: usize = 1 << 24;

/// The live weights of a matrix `[n, k]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    n: usize,
    k: usize,
    /// Where the entries of each row begin; then their number.
    row_starts: Vec<u32>,
    /// The column of each live weight, row by row, ascending.
    row_columns: Vec<u32>,
    /// Where the entries of each column begin; then their number.
    column_starts: Vec<u32>,
    /// The row of each live weight, column by column, ascending.
    column_rows: Vec<u32>,
    /// Where the value of each live weight stands, column by column.
    column_at: Vec<u32>,
}

impl Live {
    /// Makes it of the marked positions of a row-major matrix `[n, k]`.
    ///
    /// # Errors
    /// Where there are not `n·k` marks, 2³² of them or more, or more than 2²⁴ rows or columns.
    pub fn new(n: usize, k: usize, marks: &[bool]) -> Result<Self> {
        if n.max(k) > MOST {
            let what = "rows or columns of a sparse layer";
            return Err(Error::invalid(what, n.max(k), format!("at most {MOST}")));
        }
        let expected = n.saturating_mul(k);
        Error::check_shape("marks of live weights", &[expected], &[marks.len()])?;
        if u32::try_from(expected).is_err() {
            return Err(Error::invalid("weights of a layer", expected, "below 2³²"));
        }
        let mut row_starts = vec![0u32];
        let mut row_columns = Vec::new();
        let mut counts = vec![0u32; k + 1];
        for row in 0..n {
            for column in (0..k).filter(|column| marks[row * k + column]) {
                row_columns.push(column as u32);
                counts[column + 1] += 1;
            }
            row_starts.push(row_columns.len() as u32);
        }
        for column in 0..k {
            counts[column + 1] += counts[column];
        }
        let column_starts = counts.clone();
        let mut column_rows = vec![0; row_columns.len()];
        let mut column_at = vec![0; row_columns.len()];
        for row in 0..n {
            for at in row_starts[row]..row_starts[row + 1] {
                let next = &mut counts[row_columns[at as usize] as usize];
                column_rows[*next as usize] = row as u32;
                column_at[*next as usize] = at;
                *next += 1;
            }
        }
        Ok(Live {
            n,
            k,
            row_starts,
            row_columns,
            column_starts,
            column_rows,
            column_at,
        })
    }

    /// Rows and columns: `(n, k)`.
    pub fn dim(&self) -> (usize, usize) {
        (self.n, self.k)
    }

    /// How many weights are live.
    pub fn len(&self) -> usize {
        self.row_columns.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.row_columns.is_empty()
    }

    /// The positions in the row-major matrix, ascending: the order of all values.
    pub fn positions(&self) -> impl Iterator<Item = usize> {
        (0..self.n).flat_map(move |row| {
            let columns = &self.row_columns[self.rows().range(row)];
            columns
                .iter()
                .map(move |&column| row * self.k + column as usize)
        })
    }

    /// Sets to zero all values of a row-major matrix `[n, k]` that are not live.
    pub fn zero_dead(&self, values: &mut [f32]) {
        if self.len() == values.len() {
            return;
        }
        self.dead_ranges().for_each(|dead| values[dead].fill(0.0));
    }

    /// Where the weights that are not live lie in the row-major matrix, ascending; ranges may be empty.
    pub fn dead_ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        (0..self.n).flat_map(move |row| {
            let (start, end) = (row * self.k, (row + 1) * self.k);
            let columns = &self.row_columns[self.rows().range(row)];
            let live = columns.iter().map(move |&column| start + column as usize);
            let ends = live.clone().chain([end]);
            let starts = std::iter::once(start).chain(live.map(|position| position + 1));
            starts.zip(ends).map(|(start, end)| start..end)
        })
    }

    /// The columns that have a live weight, ascending.
    pub fn live_columns(&self) -> impl Iterator<Item = u32> {
        let used = |pair: &[u32]| pair[0] < pair[1];
        let columns = self.column_starts.windows(2).map(used);
        (0..).zip(columns).filter_map(|(c, used)| used.then_some(c))
    }

    /// By rows: what an output is computed from.
    pub(super) fn rows(&self) -> Index<'_> {
        Index {
            starts: &self.row_starts,
            sources: &self.row_columns,
            at: None,
        }
    }

    /// By columns: what the gradient of an input is computed from.
    pub(super) fn columns(&self) -> Index<'_> {
        Index {
            starts: &self.column_starts,
            sources: &self.column_rows,
            at: Some(&self.column_at),
        }
    }
}

/// The entries of each target.
#[derive(Clone, Copy)]
pub(super) struct Index<'a> {
    starts: &'a [u32],
    /// What each entry reads.
    sources: &'a [u32],
    /// Where each entry's value stands, if not in order.
    at: Option<&'a [u32]>,
}

impl<'a> Index<'a> {
    /// How many entries there are.
    pub(super) fn entries(&self) -> usize {
        self.sources.len()
    }

    /// Which entries are those of a target.
    #[inline(always)]
    pub(super) fn range(&self, target: usize) -> Range<usize> {
        let end = self.starts.get(target + 1).copied();
        let start = self.starts[target] as usize;
        start..end.map_or(start, |end| end as usize)
    }

    /// What the entries of a target read.
    #[inline(always)]
    pub(super) fn sources(&self, target: usize) -> &'a [u32] {
        &self.sources[self.range(target)]
    }

    /// What the entries of a target read, and where their values stand.
    #[inline(always)]
    pub(super) fn entries_of(&self, target: usize) -> impl Iterator<Item = (usize, usize)> {
        let (at, range) = (self.at, self.range(target));
        let first = range.start;
        let sources = self.sources[range].iter().enumerate();
        sources.map(move |(i, &source)| {
            let at = at.map_or(first + i, |at| at[first + i] as usize);
            (source as usize, at)
        })
    }
}
