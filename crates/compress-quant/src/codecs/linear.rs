//! The codec of [`Grid::Linear`]: `code = saturate(round(weight / scale) + zero_point)`.

use compress_core::codec::{Codes, Granularity, Grid, Tensor, WeightCodec};
use compress_core::kernels::quantize::{Sets, Steps, encode_into};
use compress_core::{Error, Result};

use super::quantized::quantized;
use crate::rounding::{check_volume, reject_nan};

/// Rounds to multiples of a scale, half to even, and saturates (ONNX, `QuantizeLinear`).
#[derive(Clone, Debug, PartialEq)]
pub struct LinearCodec {
    name: String,
    grid: Grid,
    granularity: Granularity,
    /// For each set of values that share a scale.
    steps: Vec<Steps>,
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
            return Err(not_linear(name));
        };
        let codes = grid.code_range();
        let steps = scales
            .iter()
            .enumerate()
            .map(|(set, &scale)| {
                let zero = zero_points.get(set).copied().unwrap_or(0);
                Steps::new(scale, codes, zero)
            })
            .collect();
        Ok(LinearCodec {
            name: name.to_owned(),
            granularity: *granularity,
            steps,
            grid,
        })
    }

    fn check(&self, weights: &[f32], shape: &[usize]) -> Result<()> {
        check_volume(&self.name, shape, weights.len())?;
        let what = || format!("scales of {}", self.name);
        let sets = self.granularity.sets(shape);
        if sets != self.steps.len() {
            Error::check_shape(&what(), &[sets], &[self.steps.len()])?;
        }
        reject_nan(&self.name, weights)
    }
}

impl WeightCodec for LinearCodec {
    fn grid(&self) -> Option<&Grid> {
        Some(&self.grid)
    }

    fn size_bits(&self, count: usize) -> u64 {
        self.grid.size_bits(count)
    }

    fn encode(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Tensor> {
        let Grid::Linear {
            granularity,
            scales,
            zero_points,
            ..
        } = &self.grid
        else {
            return Err(not_linear(&self.name));
        };
        let sets = Sets::new(&self.name, shape, *granularity)?;
        let range = self.grid.code_range();
        let mut codes = Codes::zeros(range, weights.len());
        let narrow = codes.as_codes_mut(range);
        encode_into(&sets, weights, scales, zero_points, narrow)?;
        Ok(quantized(name, shape, &self.grid, codes))
    }

    fn fake_quantize(&self, weights: &mut [f32], shape: &[usize]) -> Result<()> {
        self.check(weights, shape)?;
        for (steps, range) in self.steps.iter().zip(self.granularity.ranges(shape)) {
            for weight in &mut weights[range] {
                *weight = steps.round(*weight);
            }
        }
        Ok(())
    }
}

fn not_linear(name: &str) -> Error {
    Error::invalid(format!("grid of {name}"), "not linear", "linear")
}
