//! Tensors in ggml's block formats.

use serde::{Deserialize, Serialize};

use crate::kernels::block_format::BlockFormat;
use crate::kernels::quantize::blocks;
use crate::shape::{matrix_shape, volume};
use crate::{Error, Result};

/// A tensor in one of ggml's block formats, its bytes exactly as ggml lays them out.
///
/// A row is everything but the first axis, and holds whole blocks. Deserializing one fails where
/// [`BlockTensor::validate`] does.
///
/// ```
/// use compress_core::codec::BlockTensor;
/// use compress_core::kernels::block_format::BlockFormat;
/// let values: Vec<f32> = (0..64).map(|i| i as f32 - 32.0).collect();
/// let tensor = BlockTensor::quantize(BlockFormat::Q8_0, "w", &values, &[2, 32])?;
/// assert_eq!(tensor.bytes.len(), 2 * 34);
/// let refused = BlockTensor::quantize(BlockFormat::Q8_0, "w", &values, &[4, 16]).unwrap_err();
/// assert!(refused.to_string().contains("the length of a row of w is 16"));
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct BlockTensor {
    /// The parameter's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The format of its blocks.
    pub format: BlockFormat,
    /// The blocks, row after row.
    pub bytes: Vec<u8>,
}

impl BlockTensor {
    /// Quantizes `values`, row-major and of `shape`.
    ///
    /// # Errors
    /// Where a block does not divide a row (before anything else is looked at), the values do not
    /// fill the shape, one is NaN, infinite or too large for a block's scale, or the format cannot
    /// be written ([`BlockFormat::encodes`]).
    pub fn quantize(
        format: BlockFormat,
        name: &str,
        values: &[f32],
        shape: &[usize],
    ) -> Result<Self> {
        check_rows(format, name, shape)?;
        Error::check_shape(name, &[volume(shape)], &[values.len()])?;
        Ok(BlockTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            format,
            bytes: blocks::quantize(format, name, values)?,
        })
    }

    /// As [`BlockTensor::quantize`], where the squared error of a value in column j of a row counts
    /// `importance[j]`; for instance the mean square of what that weight multiplies.
    ///
    /// # Errors
    /// As [`BlockTensor::quantize`]; where there is not one importance weight for each column, or
    /// one is negative, NaN or infinite.
    pub fn quantize_weighted(
        format: BlockFormat,
        name: &str,
        values: &[f32],
        shape: &[usize],
        importance: &[f32],
    ) -> Result<Self> {
        check_rows(format, name, shape)?;
        Error::check_shape(name, &[volume(shape)], &[values.len()])?;
        let (_, columns) = matrix_shape(shape);
        let what = format!("importance weights of {name}");
        Error::check_shape(&what, &[columns], &[importance.len()])?;
        let mut bytes = vec![0; values.len() / format.block_len() * format.block_bytes()];
        blocks::quantize_weighted_into(format, name, values, importance, &mut bytes)?;
        Ok(BlockTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            format,
            bytes,
        })
    }

    /// Fails where a block does not divide a row, the bytes are too few or too many, or a value is
    /// NaN or infinite.
    pub fn validate(&self) -> Result<()> {
        check_rows(self.format, &self.name, &self.shape)?;
        let expected = self.format.row_bytes(volume(&self.shape));
        let expected = expected.unwrap_or(usize::MAX);
        Error::check_shape(
            &format!("bytes of {}", self.name),
            &[expected],
            &[self.bytes.len()],
        )?;
        if blocks::are_finite(self.format, &self.bytes) {
            return Ok(());
        }
        let what = format!("the scale of a block of {}", self.name);
        Err(Error::invalid(what, "NaN or infinite", "finite"))
    }

    /// The values that the blocks stand for, row-major.
    ///
    /// # Errors
    /// As [`BlockTensor::validate`].
    pub fn dequantize(&self) -> Result<Vec<f32>> {
        self.validate()?;
        blocks::dequantize(self.format, &self.name, &self.bytes)
    }
}

/// Fails where blocks do not divide the rows of a tensor.
pub fn check_rows(format: BlockFormat, name: &str, shape: &[usize]) -> Result<()> {
    let (_, columns) = matrix_shape(shape);
    let block = format.block_len();
    match columns.is_multiple_of(block) {
        true => Ok(()),
        false => Err(Error::invalid(
            format!("the length of a row of {name}"),
            columns,
            format!("a multiple of {block}, the block of {}", format.name()),
        )),
    }
}

/// A tensor as it is deserialized, before it is checked.
#[derive(Deserialize)]
#[serde(rename = "BlockTensor")]
struct Unchecked {
    name: String,
    shape: Vec<usize>,
    format: BlockFormat,
    bytes: Vec<u8>,
}

impl TryFrom<Unchecked> for BlockTensor {
    type Error = Error;

    fn try_from(unchecked: Unchecked) -> Result<Self> {
        let tensor = BlockTensor {
            name: unchecked.name,
            shape: unchecked.shape,
            format: unchecked.format,
            bytes: unchecked.bytes,
        };
        tensor.validate()?;
        Ok(tensor)
    }
}
