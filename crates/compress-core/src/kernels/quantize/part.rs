//! Cutting a tensor into pieces for threads and caches, by its shape alone.

use rayon::join;

use super::codes::{Codes, CodesMut};
use super::cut::Cut;
use crate::kernels::granularity::Granularity;

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

/// How much of each array belongs to a part.
#[derive(Clone, Copy)]
struct Size {
    values: usize,
    sets: usize,
    codes: usize,
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

    /// Scales of a row; 0 where one serves all.
    fn row_sets(&self) -> usize {
        match self.set {
            0 => 0,
            set => self.columns.div_ceil(set),
        }
    }

    /// The length of pieces of a row that hold whole sets (where a set is shorter) and whole
    /// bytes, of about `wanted` values (an even number).
    fn step(&self, wanted: usize) -> usize {
        let whole = match self.set {
            0 => return wanted,
            set if self.packed && set % 2 == 1 => 2 * set,
            set => set,
        };
        whole * (wanted / whole).max(1)
    }

    /// Values that share a scale, where no row is cut.
    pub(super) fn set_len(&self) -> usize {
        match self.set {
            0 => self.rows * self.columns,
            set => set,
        }
    }

    fn size(&self) -> Size {
        Size {
            values: self.rows * self.columns,
            sets: self.rows * self.row_sets(),
            codes: self.rows * row_codes(self.columns, self.packed),
        }
    }

    /// Two parts that make up this one; none where it is small or a single set.
    fn cut(&self) -> Option<(Part, Part)> {
        if self.rows.saturating_mul(self.columns) <= LEAF {
            return None;
        }
        if self.rows > 1 {
            let rows = self.rows / 2;
            let rest = Part {
                rows: self.rows - rows,
                ..*self
            };
            return Some((Part { rows, ..*self }, rest));
        }
        let step = self.step(LEAF);
        let columns = self.columns.div_ceil(step) / 2 * step;
        if columns == 0 {
            return None;
        }
        let rest = Part {
            columns: self.columns - columns,
            ..*self
        };
        Some((Part { columns, ..*self }, rest))
    }
}

/// Elements of an array of codes that a row of `columns` values takes.
pub(super) fn row_codes(columns: usize, packed: bool) -> usize {
    if packed { columns.div_ceil(2) } else { columns }
}

/// The arrays of a [`Part`].
pub(super) struct Arrays<'a, V, C> {
    pub(super) values: V,
    pub(super) parameters: Parameters<'a>,
    pub(super) codes: C,
}

/// What quantization reads and writes.
pub(super) type Encoding<'a> = Arrays<'a, &'a [f32], CodesMut<'a>>;
/// What dequantization reads and writes.
pub(super) type Decoding<'a> = Arrays<'a, &'a mut [f32], Codes<'a>>;

impl<V: Cut, C: Cut> Arrays<'_, V, C> {
    // A call would hand the halves over in memory, and reading them waits for the codes just
    // stored.
    #[inline(always)]
    fn split(self, at: Size) -> (Self, Self) {
        let (values, more_values) = self.values.cut(at.values);
        let (parameters, more_parameters) = self.parameters.split(at.sets);
        let (codes, more_codes) = self.codes.cut(at.codes);
        let first = Arrays {
            values,
            parameters,
            codes,
        };
        let rest = Arrays {
            values: more_values,
            parameters: more_parameters,
            codes: more_codes,
        };
        (first, rest)
    }
}

/// Gives each leaf of `part` to `work`, on the threads of the pool, and the leaf segment by
/// segment, each part of one row; with bytes for the codes of a segment where a byte holds two. The
/// largest answer.
pub(super) fn each<V: Cut, C: Cut>(
    part: Part,
    arrays: Arrays<'_, V, C>,
    work: &(impl Fn(Part, Arrays<'_, V, C>, &mut [u8]) -> u32 + Sync),
) -> u32 {
    match part.cut() {
        None => segments(part, arrays, work),
        Some((first, second)) => {
            let (a, b) = arrays.split(first.size());
            let (x, y) = join(|| each(first, a, work), || each(second, b, work));
            x.max(y)
        }
    }
}

/// What [`each`] does with a leaf.
fn segments<V: Cut, C: Cut>(
    part: Part,
    mut arrays: Arrays<'_, V, C>,
    work: &impl Fn(Part, Arrays<'_, V, C>, &mut [u8]) -> u32,
) -> u32 {
    if part.columns == 0 {
        return 0;
    }
    let step = part.step(SEGMENT).min(part.columns);
    let mut unpacked = vec![0; if part.packed { step } else { 0 }];
    let mut largest = 0;
    for _ in 0..part.rows {
        // Rows and segments follow each other in all the arrays.
        for first in (0..part.columns).step_by(step) {
            let segment = Part {
                rows: 1,
                columns: step.min(part.columns - first),
                ..part
            };
            let (now, rest) = arrays.split(segment.size());
            arrays = rest;
            largest = largest.max(work(segment, now, &mut unpacked));
        }
    }
    largest
}

/// Scales and zero points: to be found, or given.
pub(super) enum Parameters<'a> {
    Fit(&'a mut [f32], &'a mut [i32]),
    Given(&'a [f32], &'a [i32]),
}

impl Parameters<'_> {
    fn split(self, sets: usize) -> (Self, Self) {
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
