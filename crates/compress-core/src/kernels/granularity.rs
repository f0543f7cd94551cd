//! Which values of a tensor share a scale, and where they lie.

use serde::{Deserialize, Serialize};

use crate::shape::{matrix_shape, volume};
use crate::{Error, Result};

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
    /// Fails where groups have no values. The error calls what is quantized `name`.
    pub fn validate(&self, name: &str) -> Result<()> {
        match self {
            Granularity::Group(0) => {
                let what = format!("group size of {name}");
                Err(Error::invalid(what, 0, "positive"))
            }
            _ => Ok(()),
        }
    }

    /// How many sets of values share a scale in a tensor of this shape.
    pub fn sets(&self, shape: &[usize]) -> usize {
        let (rows, columns) = matrix_shape(shape);
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
        let (rows, columns) = matrix_shape(shape);
        let (rows, columns, step) = match self {
            Granularity::Tensor => (1, volume(shape), volume(shape)),
            Granularity::Channel => (rows, columns, columns),
            Granularity::Group(size) => (rows, columns, (*size).max(1) as usize),
        };
        // Rows without values have no ranges, and a shape can claim any number of them.
        let rows = if columns == 0 { 0 } else { rows };
        (0..rows).flat_map(move |row| {
            (0..columns).step_by(step.max(1)).map(move |start| {
                row * columns + start..row * columns + start.saturating_add(step).min(columns)
            })
        })
    }
}
