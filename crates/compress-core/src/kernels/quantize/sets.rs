//! Which values of a tensor share a scale.

use super::codes::CodeType;
use super::part::{Part, row_codes};
use crate::kernels::granularity::Granularity;
use crate::{Error, Result};

/// The most rows without a single value. Each has a scale all the same.
const MOST_EMPTY: usize = 1 << 24;

/// A tensor's name, its shape, and which of its values share a scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sets {
    pub(super) name: String,
    pub(super) rows: usize,
    pub(super) columns: usize,
    granularity: Granularity,
    count: usize,
}

impl Sets {
    /// The sets of a tensor of `shape`. It is `[out, in]`; with more dimensions, all but the first
    /// make a row; or it is `[n]`, which is one row. Errors call the tensor `name`.
    ///
    /// # Errors
    /// Where the volume overflows, a group's size is 0, or more than 2²⁴ rows have no values.
    pub fn new(name: &str, shape: &[usize], granularity: Granularity) -> Result<Self> {
        let volume = shape
            .iter()
            .try_fold(1usize, |volume, &side| volume.checked_mul(side.max(1)));
        if volume.is_none_or(|v| v > isize::MAX as usize) {
            let found = format!("{shape:?}");
            return Err(Error::invalid(
                format!("shape of {name}"),
                found,
                "of a volume below 2^63",
            ));
        }
        granularity.validate(name)?;
        let (rows, columns) = match shape {
            [] => (1, 1),
            [n] => (1, *n),
            [rows, rest @ ..] => (*rows, rest.iter().product()),
        };
        let count = granularity.sets(shape);
        if rows * columns == 0 && count > MOST_EMPTY {
            let expected = format!("at most {MOST_EMPTY} where they have no values");
            return Err(Error::invalid(format!("rows of {name}"), count, expected));
        }
        Ok(Sets {
            name: name.to_owned(),
            rows,
            columns,
            granularity,
            count,
        })
    }

    /// How many values there are.
    pub fn values(&self) -> usize {
        self.rows * self.columns
    }

    /// How many scales there are, and zero points where codes are affine.
    pub fn scales(&self) -> usize {
        self.count
    }

    /// Elements of an array of codes: one for each value. Where they are packed, half as many for
    /// each row, rounded up.
    pub fn codes(&self, code_type: CodeType) -> usize {
        self.rows * row_codes(self.columns, code_type.is_packed())
    }

    pub(super) fn zeros(&self, symmetric: bool) -> usize {
        if symmetric { 0 } else { self.count }
    }

    /// All of it, if the lengths fit.
    pub(super) fn part(&self, values: usize, codes: usize, packed: bool) -> Result<Part> {
        self.check_values(values)?;
        let expected = self.rows * row_codes(self.columns, packed);
        Error::check_shape(&self.what("codes"), &[expected], &[codes])?;
        Ok(Part::new(self.rows, self.columns, self.granularity, packed))
    }

    /// Whether there are as many values as the shape says.
    pub(super) fn check_values(&self, values: usize) -> Result<()> {
        Error::check_shape(&self.name, &[self.values()], &[values])
    }

    pub(super) fn check_parameters(
        &self,
        scales: usize,
        zeros: usize,
        symmetric: bool,
    ) -> Result<()> {
        Error::check_shape(&self.what("scales"), &[self.count], &[scales])?;
        Error::check_shape(
            &self.what("zero points"),
            &[self.zeros(symmetric)],
            &[zeros],
        )
    }

    pub(super) fn check_zeros(&self, zeros: &[i32], (low, high): (i32, i32)) -> Result<()> {
        match zeros.iter().find(|z| !(low..=high).contains(*z)) {
            None => Ok(()),
            Some(z) => Err(Error::invalid(
                self.what("zero point"),
                z,
                format!("{low} to {high}"),
            )),
        }
    }

    pub(super) fn what(&self, field: &str) -> String {
        format!("{field} of {}", self.name)
    }
}
