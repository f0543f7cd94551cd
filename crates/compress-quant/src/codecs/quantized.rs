//! What a codec makes of weights that it has encoded.

use compress_core::codec::{Codes, Grid, QuantizedTensor, Tensor};

/// The tensor of these codes, which are on the grid and fill the shape.
pub(super) fn quantized(name: &str, shape: &[usize], grid: &Grid, codes: Codes) -> Tensor {
    Tensor::Quantized(QuantizedTensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        grid: grid.clone(),
        codes,
    })
}
