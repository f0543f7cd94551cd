//! Cutting a tensor into pieces for threads and caches, by its shape alone.

use rayon::join;

use super::{Codes, CodesMut};
use crate::codec::Granularity;

/// Values that a thread takes at once: 128 KB of f32, which stay in the second cache between
/// the pass that finds the scales and the one that writes the codes.
pub(super) const LEAF: usize = 1 << 15;
/// Values between the two passes where sets are shorter: they stay in the first cache.
pub(super) const SEGMENT: usize = 1 << 12;

/// Rows of values, and which of them share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Values of a row that share a scale, starting anew in each row; 0 where one scale serves
    /// all rows.
    pub(super) set: usize,
    /// Two codes share a byte.
    pub(super) packed: bool,
}

/// How much of each array lies before a cut.
#[derive(Clone, Copy)]
pub(super) struct Offset {
    pub(super) values: usize,
    pub(super) sets: usize,
    pub(super) codes: usize,
}

impl Part {
    /// The whole of a tensor with these `rows` and `columns`, as one long row where that means
    /// the same.
    pub(super) fn new(rows: usize, columns: usize, granularity: Granularity, packed: bool) -> Self {
        let set = match granularity {
            Granularity::Tensor => 0,
            Granularity::Channel => columns,
            Granularity::Group(size) => (size as usize).min(columns),
        };
        let seamless = set == 0 || columns.is_multiple_of(set);
        let one_row = seamless && (!packed || columns.is_multiple_of(2));
        Part {
            rows: if one_row { rows.min(1) } else { rows },
            columns: if one_row { rows * columns } else { columns },
            set,
            packed,
        }
    }

    /// Elements of the array of codes that a row takes.
    pub(super) fn row_codes(&self) -> usize {
        row_codes(self.columns, self.packed)
    }

    /// Scales of a row; 0 where one serves all.
    pub(super) fn row_sets(&self) -> usize {
        match self.set {
            0 => 0,
            set => self.columns.div_ceil(set),
        }
    }

    /// The length of pieces of a row that hold whole sets (where a set is shorter) and whole
    /// bytes, of about `wanted` values (an even number).
    pub(super) fn step(&self, wanted: usize) -> usize {
        let whole = match self.set {
            0 => return wanted,
            set if self.packed && set % 2 == 1 => 2 * set,
            set => set,
        };
        whole * (wanted / whole).max(1)
    }

    /// Two parts that make up this one; none where it is small or a single set.
    fn cut(&self) -> Option<(Part, Part, Offset)> {
        if self.rows.saturating_mul(self.columns) <= LEAF {
            return None;
        }
        if self.rows > 1 {
            let rows = self.rows / 2;
            let offset = Offset {
                values: rows * self.columns,
                sets: rows * self.row_sets(),
                codes: rows * self.row_codes(),
            };
            let rest = Part {
                rows: self.rows - rows,
                ..*self
            };
            return Some((Part { rows, ..*self }, rest, offset));
        }
        let step = self.step(LEAF);
        let columns = self.columns.div_ceil(step) / 2 * step;
        if columns == 0 {
            return None;
        }
        let first = Part { columns, ..*self };
        let offset = Offset {
            values: columns,
            sets: first.row_sets(),
            codes: first.row_codes(),
        };
        let rest = Part {
            columns: self.columns - columns,
            ..*self
        };
        Some((first, rest, offset))
    }
}

/// Elements of an array of codes that a row of `columns` values takes.
pub(super) fn row_codes(columns: usize, packed: bool) -> usize {
    if packed { columns.div_ceil(2) } else { columns }
}

/// The arrays of a [`Part`], cut along with it.
pub(super) trait Arrays: Sized + Send {
    fn split(self, at: Offset) -> (Self, Self);
}

/// Gives each leaf of `part` to `work`, on the threads of the pool; the largest answer.
pub(super) fn each<A: Arrays>(
    part: Part,
    arrays: A,
    work: &(impl Fn(Part, A) -> u32 + Sync),
) -> u32 {
    match part.cut() {
        None => work(part, arrays),
        Some((first, second, at)) => {
            let (a, b) = arrays.split(at);
            let (x, y) = join(|| each(first, a, work), || each(second, b, work));
            x.max(y)
        }
    }
}

/// Scales and zero points: to be found, or given.
pub(super) enum Parameters<'a> {
    Fit(&'a mut [f32], &'a mut [i32]),
    Given(&'a [f32], &'a [i32]),
}

impl Parameters<'_> {
    pub(super) fn split(self, sets: usize) -> (Self, Self) {
        match self {
            Parameters::Fit(scales, zeros) => {
                let zero_sets = sets.min(zeros.len());
                let (s, t) = scales.split_at_mut(sets);
                let (y, z) = zeros.split_at_mut(zero_sets);
                (Parameters::Fit(s, y), Parameters::Fit(t, z))
            }
            // One scale for all is for both sides.
            Parameters::Given(scales, zeros) if sets == 0 => (
                Parameters::Given(scales, zeros),
                Parameters::Given(scales, zeros),
            ),
            Parameters::Given(scales, zeros) => {
                let (s, t) = scales.split_at(sets);
                let (y, z) = zeros.split_at(sets.min(zeros.len()));
                (Parameters::Given(s, y), Parameters::Given(t, z))
            }
        }
    }
}

/// What quantization reads and writes.
pub(super) struct Encoding<'a> {
    pub(super) values: &'a [f32],
    pub(super) parameters: Parameters<'a>,
    pub(super) codes: CodesMut<'a>,
}

impl Arrays for Encoding<'_> {
    fn split(self, at: Offset) -> (Self, Self) {
        let (v, w) = self.values.split_at(at.values);
        let (p, q) = self.parameters.split(at.sets);
        let (c, d) = self.codes.split_at(at.codes);
        let first = Encoding {
            values: v,
            parameters: p,
            codes: c,
        };
        (
            first,
            Encoding {
                values: w,
                parameters: q,
                codes: d,
            },
        )
    }
}

/// What dequantization reads and writes.
pub(super) struct Decoding<'a> {
    pub(super) codes: Codes<'a>,
    pub(super) parameters: Parameters<'a>,
    pub(super) values: &'a mut [f32],
}

impl Arrays for Decoding<'_> {
    fn split(self, at: Offset) -> (Self, Self) {
        let (v, w) = self.values.split_at_mut(at.values);
        let (p, q) = self.parameters.split(at.sets);
        let (c, d) = self.codes.split_at(at.codes);
        let first = Decoding {
            codes: c,
            parameters: p,
            values: v,
        };
        (
            first,
            Decoding {
                codes: d,
                parameters: q,
                values: w,
            },
        )
    }
}
