//! The codec of [`Grid::Linear`]: `code = saturate(round(weight / scale) + zero_point)`.

use compress_core::codec::{Granularity, Grid, WeightCodec};
use compress_core::{Error, Result};

use crate::rounding::{Steps, check_volume, reject_nan};

/// Rounds to multiples of a scale, half to even, and saturates (ONNX, `QuantizeLinear`).
#[derive(Clone, Debug, PartialEq)]
pub struct LinearCodec {
    name: String,
    grid: Grid,
    granularity: Granularity,
    /// For each set of values that share a scale, its steps and its zero point.
    sets: Vec<(Steps, i32)>,
}

impl LinearCodec {
    /// The codec of a linear `grid` for the tensor `name` of `shape`.
    ///
    /// # Errors
    /// Where the grid is not linear, not valid, or has a number of scales that does not fit.
    pub fn new(name: &str, grid: Grid, shape: &[usize]) -> Result<Self> {
        grid.validate(name, shape)?;
        let Grid::Linear {
            granularity,
            scales,
            zero_points,
            ..
        } = &grid
        else {
            return Err(Error::invalid(
                format!("grid of {name}"),
                "not linear",
                "linear",
            ));
        };
        let codes = grid.code_range();
        let sets = scales
            .iter()
            .enumerate()
            .map(|(set, &scale)| {
                let zero = zero_points.get(set).copied().unwrap_or(0);
                (Steps::new(scale, codes, zero), zero)
            })
            .collect();
        Ok(LinearCodec {
            name: name.to_owned(),
            granularity: *granularity,
            sets,
            grid,
        })
    }

    fn check(&self, weights: &[f32], shape: &[usize]) -> Result<()> {
        check_volume(&self.name, shape, weights.len())?;
        let what = || format!("scales of {}", self.name);
        let sets = self.granularity.sets(shape);
        if sets != self.sets.len() {
            Error::check_shape(&what(), &[sets], &[self.sets.len()])?;
        }
        reject_nan(&self.name, weights)
    }
}

impl WeightCodec for LinearCodec {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn encode_into(&self, weights: &[f32], shape: &[usize], codes: &mut [i32]) -> Result<()> {
        self.check(weights, shape)?;
        Error::check_shape(&self.name, &[weights.len()], &[codes.len()])?;
        for ((steps, zero), range) in self.sets.iter().zip(self.granularity.ranges(shape)) {
            for (code, &weight) in codes[range.clone()].iter_mut().zip(&weights[range]) {
                *code = steps.step(weight) + zero;
            }
        }
        Ok(())
    }

    fn fake_quantize(&self, weights: &mut [f32], shape: &[usize]) -> Result<()> {
        self.check(weights, shape)?;
        for ((steps, _), range) in self.sets.iter().zip(self.granularity.ranges(shape)) {
            for weight in &mut weights[range] {
                *weight = steps.round(*weight);
            }
        }
        Ok(())
    }
}
