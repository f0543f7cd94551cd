//! The codec of [`Grid::Codebook`]: each weight gets the code of the nearest value (shared
//! weights).

use compress_core::Result;
use compress_core::codec::{Codes, Grid, Tensor, WeightCodec};

use super::quantized::quantized;
use super::search::Search;
use crate::rounding::{check_ascending, check_volume, reject_nan};

/// Rounds to the nearest of a list of values (a codebook); halfway, to the lower one.
#[derive(Clone, Debug, PartialEq)]
pub struct CodebookCodec {
    name: String,
    grid: Grid,
    values: Vec<f32>,
    search: Search,
}

impl CodebookCodec {
    /// The codec of the `values`, ascending and without repetition, for the tensor `name`.
    ///
    /// # Errors
    /// Where there are no values or more than 65,536, one is not finite, or they do not ascend.
    pub fn new(name: &str, values: Vec<f32>) -> Result<Self> {
        let grid = Grid::Codebook {
            values: values.clone(),
        };
        grid.check_fields(name)?;
        check_ascending(name, &values)?;
        Ok(CodebookCodec {
            name: name.to_owned(),
            grid,
            search: Search::nearest(&values),
            values,
        })
    }

    fn check(&self, weights: &[f32], shape: &[usize]) -> Result<()> {
        check_volume(&self.name, shape, weights.len())?;
        reject_nan(&self.name, weights)
    }
}

impl WeightCodec for CodebookCodec {
    fn grid(&self) -> Option<&Grid> {
        Some(&self.grid)
    }

    fn size_bits(&self, count: usize) -> u64 {
        self.grid.size_bits(count)
    }

    fn encode(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Tensor> {
        self.check(weights, shape)?;
        let codes = weights
            .iter()
            .map(|&weight| self.search.code(weight) as i32);
        let codes = Codes::saturating(self.grid.code_range(), codes);
        Ok(quantized(name, shape, &self.grid, codes))
    }

    fn fake_quantize(&self, weights: &mut [f32], shape: &[usize]) -> Result<()> {
        self.check(weights, shape)?;
        for weight in weights {
            *weight = self.values[self.search.code(*weight)];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codebook_may_have_as_many_values_as_the_tensor() {
        let values: Vec<f32> = (0..300).map(|i| i as f32).collect();
        let codec = CodebookCodec::new("w", values.clone()).unwrap();
        let tensor = codec.encode("w", &values, &[20, 15]).unwrap();
        tensor.validate().unwrap();
        assert_eq!(tensor.values().unwrap(), values);
    }

    #[test]
    fn refuses_what_is_no_codebook() {
        for values in [vec![], vec![1.0, 1.0], vec![1.0, 0.0], vec![f32::NAN]] {
            assert!(CodebookCodec::new("w", values).is_err());
        }
    }
}
