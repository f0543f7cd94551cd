//! The codec of [`Grid::ScaledCodebook`]: each weight, divided by its set's scale, gets the code of
//! the nearest value.

use compress_core::codec::{Codes, Granularity, Grid, Tensor, WeightCodec};
use compress_core::{Error, Result};

use super::quantized::quantized;
use super::search::Search;
use crate::rounding::{check_ascending, check_volume, reject_nan};

/// Rounds quotients to the nearest of a list of values (a codebook); halfway, to the lower one.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaledCodebookCodec {
    name: String,
    grid: Grid,
    values: Vec<f32>,
    granularity: Granularity,
    scales: Vec<f32>,
    search: Search,
}

impl ScaledCodebookCodec {
    /// The codec of the `values`, ascending and without repetition, and of `scales` for the tensor
    /// `name` of `shape`.
    ///
    /// # Errors
    /// Where the grid is not valid, or its values do not ascend.
    pub fn new(
        name: &str,
        values: Vec<f32>,
        granularity: Granularity,
        scales: Vec<f32>,
        shape: &[usize],
    ) -> Result<Self> {
        let grid = Grid::ScaledCodebook {
            values: values.clone(),
            granularity,
            scales: scales.clone(),
        };
        grid.validate(name, shape)?;
        check_ascending(name, &values)?;
        Ok(ScaledCodebookCodec {
            name: name.to_owned(),
            grid,
            search: Search::nearest(&values),
            values,
            granularity,
            scales,
        })
    }

    fn check(&self, weights: &[f32], shape: &[usize]) -> Result<()> {
        check_volume(&self.name, shape, weights.len())?;
        let what = format!("scales of {}", self.name);
        let sets = self.granularity.sets(shape);
        Error::check_shape(&what, &[sets], &[self.scales.len()])?;
        reject_nan(&self.name, weights)
    }
}

impl WeightCodec for ScaledCodebookCodec {
    fn grid(&self) -> Option<&Grid> {
        Some(&self.grid)
    }

    fn size_bits(&self, count: usize) -> u64 {
        self.grid.size_bits(count)
    }

    fn encode(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Tensor> {
        self.check(weights, shape)?;
        let sets = self.granularity.ranges(shape).zip(&self.scales);
        let codes = sets.flat_map(|(range, &scale)| {
            let weights = weights[range].iter();
            weights.map(move |weight| self.search.code(weight / scale) as i32)
        });
        let codes = Codes::saturating(self.grid.code_range(), codes);
        Ok(quantized(name, shape, &self.grid, codes))
    }

    fn fake_quantize(&self, weights: &mut [f32], shape: &[usize]) -> Result<()> {
        self.check(weights, shape)?;
        for (range, &scale) in self.granularity.ranges(shape).zip(&self.scales) {
            for weight in &mut weights[range] {
                *weight = scale * self.values[self.search.code(*weight / scale)];
            }
        }
        Ok(())
    }
}
