//! Which values of a tensor share a scale, and where they lie.

use serde::{Deserialize, Serialize};

/// Which values of a tensor share a scale: per-tensor, per-channel or group quantization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Granularity {
    /// Per-tensor: all of them.
    Tensor,
    /// Per-channel: each row of a weight `[out, in]`, which is one output channel.
    Channel,
    /// Group: each run of this many values within a row. The last run of a row may be shorter.
    Group(u32),
}

impl Granularity {
    /// How many sets of values share a scale in a tensor of this shape.
    pub fn sets(&self, shape: &[usize]) -> usize {
        let (rows, columns) = rows_and_columns(shape);
        match self {
            Granularity::Tensor => 1,
            Granularity::Channel => rows,
            Granularity::Group(size) => {
                rows.saturating_mul(columns.div_ceil((*size).max(1) as usize))
            }
        }
    }

    /// The flat ranges of values that share a scale, in row-major order.
    pub fn ranges(&self, shape: &[usize]) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (rows, columns) = rows_and_columns(shape);
        let (rows, columns, step) = match self {
            Granularity::Tensor => (1, value_count(shape), value_count(shape)),
            Granularity::Channel => (rows, columns, columns),
            Granularity::Group(size) => (rows, columns, (*size).max(1) as usize),
        };
        (0..rows).flat_map(move |row| {
            (0..columns).step_by(step.max(1)).map(move |start| {
                row * columns + start..row * columns + start.saturating_add(step).min(columns)
            })
        })
    }
}

/// A bias `[n]` counts as one row, so that its values share a scale under [`Granularity::Channel`].
pub(crate) fn rows_and_columns(shape: &[usize]) -> (usize, usize) {
    match shape {
        [] => (1, 1),
        [n] => (1, *n),
        [rows, rest @ ..] => (*rows, value_count(rest)),
    }
}

/// How many values a tensor of this shape holds. `usize::MAX` where they are more, as a file can
/// claim.
pub(crate) fn value_count(shape: &[usize]) -> usize {
    // A zero anywhere makes it empty, even if the product of the dimensions before it overflows.
    if shape.contains(&0) {
        return 0;
    }
    shape.iter().fold(1, |n: usize, &d| n.saturating_mul(d))
}
