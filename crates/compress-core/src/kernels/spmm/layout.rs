//! The layouts: which values are where.

/// Rows of a slice: as many chains as hide the latency of a fused multiply-add.
pub(super) const SLICE: usize = 8;
/// Rows of a block.
pub(super) const BLOCK: usize = 16;
/// Rows that are sorted by their length and that a thread computes at a time.
pub(super) const WINDOW: usize = 64;

/// How a sparse matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// CSR (compressed sparse rows): each value with its column, in 16 bits for up to 65,536
    /// columns and in 32 beyond. For scattered (unstructured) zeros. The fastest layout of those
    /// that hold any matrix.
    Csr,
    /// A bit for each element, beside the values. For scattered zeros, in less memory than
    /// [`Layout::Csr`] where more than 1 in 16 is kept. Positions are decoded in each product,
    /// which makes it the slowest layout for a few rows.
    Bitmask,
    /// Dense blocks of 16 rows and 1 column: where a column is kept in a row, it is stored for
    /// all of the 16, with zeros where they keep none.
    Blocks,
    /// 2:4 sparsity: two values in each 4 consecutive columns, each with 2 bits for its place.
    /// Where fewer are kept, zeros fill up the lowest free places. Faster than the dense product
    /// for up to three rows.
    TwoOfFour,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Layout; 4] = [
        Layout::Csr,
        Layout::Bitmask,
        Layout::Blocks,
        Layout::TwoOfFour,
    ];
}

/// Values in the order of a layout.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    F32(Vec<f32>),
    I8(Vec<i8>),
}

/// Which values are where.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// Columns in the order of the values.
    Csr { order: Order, columns: Columns },
    /// A bit for each element, `words` for a row; values row by row, from `starts` on.
    Bitmask {
        order: Order,
        words: Vec<u64>,
        starts: Vec<usize>,
    },
    /// For each `BLOCK` rows the columns from `starts` on, with `BLOCK` values each.
    Blocks {
        starts: Vec<usize>,
        columns: Vec<u32>,
    },
    /// For each `BLOCK` rows two slots for each group of 4 columns; see
    /// [`GroupColumn`](super::tile::GroupColumn).
    TwoOfFour { positions: Vec<u32> },
}

#[derive(Clone, Debug)]
pub(super) enum Columns {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

/// Rows in slices. Within each [`WINDOW`] the longest come first, so that the rows of a slice are
/// of nearly the same length.
///
/// The entries of a slice follow each other slot by slot: the first entry of each row, then the
/// second of each that has one, and so on.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// The rows of all slices, counted from the beginning of their window.
    pub rows: Vec<u32>,
    /// Entries of the rows of each slice.
    pub lengths: Vec<[u32; SLICE]>,
    /// Where each slice's entries begin, and where the last ends.
    pub starts: Vec<usize>,
}

/// A column's number.
pub(super) trait Index: Copy + Send + Sync {
    fn get(self) -> usize;
}

impl Index for u16 {
    #[inline(always)]
    fn get(self) -> usize {
        self.into()
    }
}

impl Index for u32 {
    #[inline(always)]
    fn get(self) -> usize {
        self as usize
    }
}

impl Stored {
    pub(super) fn get(&self, i: usize) -> f32 {
        match self {
            Stored::F32(v) => v[i],
            Stored::I8(v) => v[i].into(),
        }
    }
}

impl Order {
    pub(super) fn new(starts: &[usize]) -> Self {
        let n = starts.len() - 1;
        let length = |row: usize| (starts[row + 1] - starts[row]) as u32;
        let mut order = Order {
            rows: Vec::with_capacity(n),
            lengths: Vec::with_capacity(n.div_ceil(SLICE)),
            starts: vec![0],
        };
        let mut end = 0;
        for first in (0..n).step_by(WINDOW) {
            let mut rows: Vec<usize> = (first..n.min(first + WINDOW)).collect();
            rows.sort_by_key(|&row| std::cmp::Reverse(length(row)));
            for slice in rows.chunks(SLICE) {
                let lengths = std::array::from_fn(|r| slice.get(r).map_or(0, |&row| length(row)));
                end += lengths.iter().sum::<u32>() as usize;
                order.lengths.push(lengths);
                order.starts.push(end);
            }
            order
                .rows
                .extend(rows.iter().map(|row| (row - first) as u32));
        }
        order
    }

    /// The rows of a slice, counted from the beginning of their window.
    pub(super) fn slice_rows(&self, slice: usize) -> &[u32] {
        &self.rows[slice * SLICE..self.rows.len().min((slice + 1) * SLICE)]
    }

    /// The first row of the window that a slice belongs to.
    pub(super) fn window(&self, slice: usize) -> usize {
        slice * SLICE / WINDOW * WINDOW
    }

    /// The positions of a row's entries.
    pub(super) fn for_row(&self, row: usize, n: usize, mut visit: impl FnMut(usize)) {
        let window = row / WINDOW * WINDOW;
        let in_window = &self.rows[window..n.min(window + WINDOW)];
        let place = in_window.iter().position(|&r| r as usize == row - window);
        let place = window + place.expect("an order holds each row of a window");
        let (slice, r) = (place / SLICE, place % SLICE);
        let lengths = &self.lengths[slice];
        let mut at = self.starts[slice];
        for slot in 0..lengths[r] {
            visit(at + r);
            at += lengths.iter().filter(|&&length| length > slot).count();
        }
    }

    /// The number of each entry of `kept` in the order of the slices.
    pub(super) fn sources(&self, kept: &[usize]) -> Vec<u32> {
        let mut sources = Vec::with_capacity(kept.last().copied().unwrap_or(0));
        for (slice, lengths) in self.lengths.iter().enumerate() {
            let window = self.window(slice);
            let rows = self.slice_rows(slice);
            for slot in 0..lengths[0] {
                let longer = rows
                    .iter()
                    .zip(lengths)
                    .filter(|(_, length)| **length > slot);
                let entry = |row: &u32| kept[window + *row as usize] as u32 + slot;
                sources.extend(longer.map(|(row, _)| entry(row)));
            }
        }
        sources
    }
}

/// The positions of the bits that are set, ascending.
pub(super) fn bits(words: &[u64]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().flat_map(|(i, &word)| {
        let next = |rest: &u64| Some(rest & (rest - 1)).filter(|rest| *rest != 0);
        std::iter::successors(Some(word).filter(|w| *w != 0), next)
            .map(move |rest| i * 64 + rest.trailing_zeros() as usize)
    })
}
