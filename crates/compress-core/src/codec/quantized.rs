//! Quantized tensors.

use serde::{Deserialize, Serialize};

use super::codes::Codes;
use super::grid::Grid;
use crate::{Error, Result};

/// A quantized tensor: codes, and the grid that they are on.
///
/// Deserializing one fails where [`QuantizedTensor::validate`] does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct QuantizedTensor {
    /// The parameter's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What the codes stand for.
    pub grid: Grid,
    /// One code per value, row-major.
    pub codes: Codes,
}

impl QuantizedTensor {
    /// The tensor of these codes, row-major.
    ///
    /// # Errors
    /// Where the grid does not fit the shape, or the codes are too few, too many or not on it.
    ///
    /// ```
    /// use compress_core::codec::{Grid, QuantizedTensor};
    /// let grid = Grid::PowerOfTwo { bits: 4, max_exponent: 0 };
    /// let tensor = QuantizedTensor::new("w", &[3], grid, [1, -2, 0])?;
    /// assert_eq!(tensor.dequantize()?, [1.0, -0.5, 0.0]);
    /// # Ok::<(), compress_core::Error>(())
    /// ```
    pub fn new(
        name: &str,
        shape: &[usize],
        grid: Grid,
        codes: impl IntoIterator<Item = i32>,
    ) -> Result<Self> {
        grid.validate(name, shape)?;
        let range = grid.code_range();
        let codes = Codes::new(range, codes).map_err(|_| {
            let what = format!("a code of {name}");
            Error::invalid(what, "off the grid", format!("{} to {}", range.0, range.1))
        })?;
        let tensor = QuantizedTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            grid,
            codes,
        };
        tensor.validate()?;
        Ok(tensor)
    }

    /// Fails where the grid does not fit the shape or a code is not on it.
    pub fn validate(&self) -> Result<()> {
        self.grid.validate(&self.name, &self.shape)?;
        self.grid.check_codes(&self.name, &self.codes, &self.shape)
    }

    /// The values that the codes stand for.
    pub fn dequantize(&self) -> Result<Vec<f32>> {
        let mut out = vec![0.0; self.codes.len()];
        self.grid
            .dequantize_named(&self.name, &self.codes, &self.shape, &mut out)?;
        Ok(out)
    }
}

/// A tensor as it is deserialized, before it is checked.
#[derive(Deserialize)]
#[serde(rename = "QuantizedTensor")]
struct Unchecked {
    name: String,
    shape: Vec<usize>,
    grid: Grid,
    codes: Codes,
}

impl TryFrom<Unchecked> for QuantizedTensor {
    type Error = Error;

    fn try_from(unchecked: Unchecked) -> Result<Self> {
        let tensor = QuantizedTensor {
            name: unchecked.name,
            shape: unchecked.shape,
            grid: unchecked.grid,
            codes: unchecked.codes,
        };
        tensor.validate()?;
        Ok(tensor)
    }
}
