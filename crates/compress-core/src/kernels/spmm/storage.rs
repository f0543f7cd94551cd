//! A sparse matrix: built, read row by row, and turned back into a dense one.

use super::build::{FILLER, Kept, pick};
use super::layout::{BLOCK, Columns, Form, Index, Layout, Order, Stored, bits};
use crate::{Error, Result};

/// The values of a sparse matrix, row-major.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Floats.
    F32(&'a [f32]),
    /// Integers, which are multiplied by the scale of their row.
    I8 {
        /// The integers.
        codes: &'a [i8],
        /// A scale for each row.
        scales: &'a [f32],
    },
    /// Integers that are the values: each is turned into f32 as it is multiplied, and the chains
    /// start from the bias, so that the bits are those of the same values in f32.
    Whole(&'a [i8]),
}

/// The most rows without a single value. They take memory all the same.
const MOST_EMPTY: usize = 1 << 24;

/// A sparse matrix `[n, k]`, laid out for products. Zeros that were left out are not multiplied;
/// everything that is stored is, even a zero.
#[derive(Clone, Debug)]
pub struct Sparse {
    pub(super) n: usize,
    pub(super) k: usize,
    kept: usize,
    pub(super) values: Stored,
    /// For int8 values a scale for each row, unless they are the values themselves.
    pub(super) scales: Option<Vec<f32>>,
    pub(super) form: Form,
}

impl Sparse {
    /// Keeps all values of a dense row-major matrix `[n, k]` that are not zero. NaN and infinities
    /// are kept.
    ///
    /// # Errors
    /// [`Error::Shape`] where the number of values or of scales differs; [`Error::Invalid`] where
    /// the layout cannot hold the matrix: [`Layout::TwoOfFour`] needs a multiple of 4 columns and
    /// at most two values in each 4, and none holds 2³² or more rows, columns or values, or more
    /// than 2²⁴ rows without columns.
    pub fn from_dense(layout: Layout, n: usize, k: usize, values: Values<'_>) -> Result<Self> {
        check_values("values of a sparse matrix", n, k, n.checked_mul(k), &values)?;
        let kept = match values {
            Values::F32(v) => Kept::new(n, k, |i| v[i] != 0.0),
            Values::I8 { codes, .. } | Values::Whole(codes) => Kept::new(n, k, |i| codes[i] != 0),
        };
        let positions = kept.positions(k);
        let stored = match values {
            Values::F32(v) => Stored::F32(positions.map(|i| v[i]).collect()),
            Values::I8 { codes, .. } | Values::Whole(codes) => {
                Stored::I8(positions.map(|i| codes[i]).collect())
            }
        };
        Self::arrange(layout, n, k, kept, stored, &values)
    }

    /// Keeps the elements where `mask` `[n, k]`, row-major, is true. `values` holds only those, in
    /// the same order.
    ///
    /// # Errors
    /// As [`Sparse::from_dense`].
    #[cfg(test)]
    pub(crate) fn from_mask(
        layout: Layout,
        n: usize,
        k: usize,
        mask: &[bool],
        values: Values<'_>,
    ) -> Result<Self> {
        if n.checked_mul(k) != Some(mask.len()) {
            return Err(shape("mask of a sparse matrix", &[n, k], mask.len()));
        }
        let kept = mask.iter().filter(|kept| **kept).count();
        check_values("kept values of a sparse matrix", n, k, Some(kept), &values)?;
        let stored = match values {
            Values::F32(v) => Stored::F32(v.to_vec()),
            Values::I8 { codes, .. } | Values::Whole(codes) => Stored::I8(codes.to_vec()),
        };
        let kept = Kept::new(n, k, |i| mask[i]);
        Self::arrange(layout, n, k, kept, stored, &values)
    }

    fn arrange(
        layout: Layout,
        n: usize,
        k: usize,
        kept: Kept,
        stored: Stored,
        values: &Values<'_>,
    ) -> Result<Self> {
        let count = kept.columns.len();
        let (form, sources) = match layout {
            Layout::Csr => kept.csr(k),
            Layout::Bitmask => kept.bitmask(k),
            Layout::Blocks => kept.blocks(),
            Layout::TwoOfFour => kept.two_of_four(k)?,
        };
        let values_in_order = match stored {
            Stored::F32(v) => Stored::F32(pick(&v, &sources)),
            Stored::I8(v) => Stored::I8(pick(&v, &sources)),
        };
        Ok(Sparse {
            n,
            k,
            kept: count,
            values: values_in_order,
            scales: match values {
                Values::F32(_) | Values::Whole(_) => None,
                Values::I8 { scales, .. } => Some(scales.to_vec()),
            },
            form,
        })
    }

    /// Rows and columns: `(n, k)`, outputs and inputs.
    pub fn dim(&self) -> (usize, usize) {
        (self.n, self.k)
    }

    /// Which layout it has.
    pub fn layout(&self) -> Layout {
        match self.form {
            Form::Csr { .. } => Layout::Csr,
            Form::Bitmask { .. } => Layout::Bitmask,
            Form::Blocks { .. } => Layout::Blocks,
            Form::TwoOfFour { .. } => Layout::TwoOfFour,
        }
    }

    /// The number of elements kept, without zeros that a layout stores beside them.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// The fraction of elements kept; 1 of an empty matrix.
    pub fn density(&self) -> f64 {
        if self.n == 0 || self.k == 0 {
            return 1.0;
        }
        self.kept as f64 / (self.n as f64 * self.k as f64)
    }

    /// Bytes of memory that the values, scales and positions take.
    pub fn bytes(&self) -> usize {
        let order = |order: &Order| {
            size_of_val(&order.rows[..])
                + size_of_val(&order.lengths[..])
                + size_of_val(&order.starts[..])
        };
        let form = match &self.form {
            Form::Csr { order: o, columns } => match columns {
                Columns::Narrow(c) => order(o) + size_of_val(&c[..]),
                Columns::Wide(c) => order(o) + size_of_val(&c[..]),
            },
            Form::Bitmask {
                order: o,
                words,
                starts,
            } => order(o) + size_of_val(&words[..]) + size_of_val(&starts[..]),
            Form::Blocks { starts, columns } => {
                size_of_val(&starts[..]) + size_of_val(&columns[..])
            }
            Form::TwoOfFour { positions } => size_of_val(&positions[..]),
        };
        let values = match &self.values {
            Stored::F32(v) => size_of_val(&v[..]),
            Stored::I8(v) => size_of_val(&v[..]),
        };
        form + values + self.scales.as_ref().map_or(0, |s| size_of_val(&s[..]))
    }

    /// The dense matrix `[n, k]`, row-major: values, with int8 ones multiplied by their scale.
    #[cfg(test)]
    pub(crate) fn to_dense(&self) -> Vec<f32> {
        let mut dense = vec![0.0; self.n * self.k];
        for (row, dense) in dense.chunks_exact_mut(self.k.max(1)).enumerate() {
            let scale = self.scales.as_ref().map_or(1.0, |scales| scales[row]);
            self.for_row(row, |column, value| dense[column] = value * scale);
        }
        dense
    }

    /// What is stored of a row, in the order of columns: column and value, without the scale.
    pub(super) fn for_row(&self, row: usize, mut visit: impl FnMut(usize, f32)) {
        match &self.form {
            Form::Csr { order, columns } => order.for_row(row, self.n, |i| {
                let column = match columns {
                    Columns::Narrow(c) => c[i].get(),
                    Columns::Wide(c) => c[i].get(),
                };
                visit(column, self.values.get(i));
            }),
            Form::Bitmask { words, starts, .. } => {
                let words = &words[row * self.k.div_ceil(64)..][..self.k.div_ceil(64)];
                for (i, column) in (starts[row]..).zip(bits(words)) {
                    visit(column, self.values.get(i));
                }
            }
            Form::Blocks { starts, columns } => {
                let block = row / BLOCK;
                let range = starts[block]..starts[block + 1];
                for (i, column) in range.clone().zip(&columns[range]) {
                    visit(column.get(), self.values.get(i * BLOCK + row % BLOCK));
                }
            }
            Form::TwoOfFour { positions } => {
                let slots = self.k / 2;
                for slot in 0..slots {
                    let i = row / BLOCK * slots + slot;
                    let position = positions[i] >> (2 * (row % BLOCK)) & 3;
                    let column = slot / 2 * 4 + position as usize;
                    visit(column, self.values.get(i * BLOCK + row % BLOCK));
                }
            }
        }
    }
}

fn check_values(
    what: &str,
    n: usize,
    k: usize,
    expected: Option<usize>,
    values: &Values<'_>,
) -> Result<()> {
    if let Some(&large) = [n, k].iter().find(|&&size| size >= FILLER as usize) {
        return Err(Error::invalid(
            "rows or columns of a sparse matrix",
            large,
            "below 2³² − 1",
        ));
    }
    if k == 0 && n > MOST_EMPTY {
        let expected = format!("at most {MOST_EMPTY} where there are no columns");
        return Err(Error::invalid("rows of a sparse matrix", n, expected));
    }
    let (length, scales) = match values {
        Values::F32(v) => (v.len(), n),
        Values::I8 { codes, scales } => (codes.len(), scales.len()),
        Values::Whole(codes) => (codes.len(), n),
    };
    if length >= FILLER as usize {
        return Err(Error::invalid(
            "values of a sparse matrix",
            length,
            "fewer than 2³² − 1",
        ));
    }
    Error::check_shape("scales of a sparse matrix", &[n], &[scales])?;
    match expected {
        Some(expected) => Error::check_shape(what, &[expected], &[length]),
        None => Err(shape(what, &[n, k], length)),
    }
}

fn shape(what: &str, expected: &[usize], found: usize) -> Error {
    Error::Shape {
        what: what.into(),
        expected: expected.to_vec(),
        found: vec![found],
    }
}
