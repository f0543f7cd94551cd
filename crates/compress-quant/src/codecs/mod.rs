//! Codecs: what turns weights into codes, one for each kind of [`Grid`], or into ggml's blocks.
//!
//! A [`Scheme`](crate::schemes::Scheme) fits a grid to weights. From then on the grid is frozen,
//! and the codes depend on it and the weights alone. So the same codec can be made again from the
//! grid in a stored tensor or in a checkpoint.
//!
//! Each codec of a grid has a `fake_quantize` of its own that needs no buffer of codes. It gives the same
//! bits as encoding and decoding.

mod blocks;
mod codebook;
mod linear;
pub(crate) mod power_of_two;
mod quantized;
mod scaled_codebook;
mod search;

use compress_core::Result;
use compress_core::codec::{Grid, WeightCodec};

pub use blocks::BlockCodec;
pub use codebook::CodebookCodec;
pub use linear::LinearCodec;
pub use power_of_two::PowerOfTwoCodec;
pub use scaled_codebook::ScaledCodebookCodec;

use crate::rounding::check_volume;

/// Makes the codec of a grid that is already fitted, for the tensor `name` of `shape`.
///
/// # Errors
/// Where the grid is not valid for `shape`, or a codebook is not ascending.
///
/// ```
/// use compress_core::codec::Grid;
/// let grid = Grid::Codebook { values: vec![-0.5, 0.0, 0.75] };
/// let codec = compress_quant::codecs::from_grid("w", grid, &[3])?;
/// let tensor = codec.encode("w", &[0.7, 0.1, -9.0], &[3])?;
/// assert_eq!(tensor.values()?, [0.75, 0.0, -0.5]);
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn from_grid(name: &str, grid: Grid, shape: &[usize]) -> Result<Box<dyn WeightCodec>> {
    check_volume(
        name,
        shape,
        shape.iter().fold(1, |v, &s| v.saturating_mul(s)),
    )?;
    Ok(match grid {
        Grid::Linear { .. } => Box::new(LinearCodec::new(name, grid, shape)?),
        Grid::Codebook { values } => Box::new(CodebookCodec::new(name, values)?),
        Grid::ScaledCodebook {
            values,
            granularity,
            scales,
        } => Box::new(ScaledCodebookCodec::new(
            name,
            values,
            granularity,
            scales,
            shape,
        )?),
        Grid::PowerOfTwo { bits, max_exponent } => {
            Box::new(PowerOfTwoCodec::new(name, bits, max_exponent)?)
        }
    })
}
