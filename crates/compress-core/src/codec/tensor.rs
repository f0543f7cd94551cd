//! Named tensors as they are stored.

use serde::{Deserialize, Serialize};

use super::blocks::BlockTensor;
use super::codes::Codes;
use super::quantized::QuantizedTensor;
use crate::shape::volume;
use crate::{Error, Result};

/// A named tensor as it is stored: in full precision, as codes, or in ggml's blocks.
///
/// Deserializing one fails where [`Tensor::validate`] does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub enum Tensor {
    /// Full precision.
    Float {
        /// The parameter's name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The values, row-major.
        values: Vec<f32>,
    },
    /// Codes on a grid.
    Quantized(QuantizedTensor),
    /// Blocks of ggml's.
    Blocks(BlockTensor),
}

impl Tensor {
    /// The parameter's name.
    pub fn name(&self) -> &str {
        match self {
            Tensor::Float { name, .. } => name,
            Tensor::Quantized(tensor) => &tensor.name,
            Tensor::Blocks(tensor) => &tensor.name,
        }
    }

    /// Its shape; the first axis is the outputs.
    pub fn shape(&self) -> &[usize] {
        match self {
            Tensor::Float { shape, .. } => shape,
            Tensor::Quantized(tensor) => &tensor.shape,
            Tensor::Blocks(tensor) => &tensor.shape,
        }
    }

    /// The codes, where it has any.
    pub fn codes(&self) -> Option<&Codes> {
        match self {
            Tensor::Quantized(tensor) => Some(&tensor.codes),
            Tensor::Float { .. } | Tensor::Blocks(_) => None,
        }
    }

    /// The values that the tensor stands for, row-major.
    ///
    /// # Errors
    /// Where [`Tensor::validate`] refuses codes or blocks.
    pub fn values(&self) -> Result<Vec<f32>> {
        match self {
            Tensor::Float { values, .. } => Ok(values.clone()),
            Tensor::Quantized(tensor) => tensor.dequantize(),
            Tensor::Blocks(tensor) => tensor.dequantize(),
        }
    }

    /// Fails where the content does not fit its own shape or grid.
    ///
    /// # Errors
    /// Where the number of values is not the shape's, one is NaN or infinite, a code is not on its
    /// grid, or blocks do not divide the rows.
    pub fn validate(&self) -> Result<()> {
        match self {
            Tensor::Quantized(tensor) => tensor.validate(),
            Tensor::Blocks(tensor) => tensor.validate(),
            Tensor::Float {
                name,
                shape,
                values,
            } => {
                Error::check_shape(name, &[volume(shape)], &[values.len()])?;
                Error::check_finite(name, values)
            }
        }
    }
}

/// A tensor as it is deserialized, before it is checked.
#[derive(Deserialize)]
#[serde(rename = "Tensor")]
enum Unchecked {
    Float {
        name: String,
        shape: Vec<usize>,
        values: Vec<f32>,
    },
    Quantized(QuantizedTensor),
    Blocks(BlockTensor),
}

impl TryFrom<Unchecked> for Tensor {
    type Error = Error;

    fn try_from(unchecked: Unchecked) -> Result<Self> {
        let tensor = match unchecked {
            Unchecked::Quantized(tensor) => return Ok(Tensor::Quantized(tensor)),
            Unchecked::Blocks(tensor) => return Ok(Tensor::Blocks(tensor)),
            Unchecked::Float {
                name,
                shape,
                values,
            } => Tensor::Float {
                name,
                shape,
                values,
            },
        };
        tensor.validate()?;
        Ok(tensor)
    }
}
