//! Quantizes `ndarray` matrices, for callers whose model does not implement
//! [`compress_core::network::Network`].

use compress_core::Result;
use compress_core::codec::QuantizedTensor;
use ndarray::{Array2, ArrayView2};

use crate::schemes::Scheme;

/// Fits `scheme` to a matrix `[out, in]` of any memory layout and encodes it. Errors call the
/// matrix `name`.
///
/// # Errors
/// Where a weight is NaN or infinite.
pub fn quantize_array(
    name: &str,
    weights: ArrayView2<'_, f32>,
    scheme: &dyn Scheme,
) -> Result<QuantizedTensor> {
    let weights = weights.as_standard_layout();
    let shape = weights.shape();
    // In standard layout, so it is a slice.
    let values = weights.as_slice().unwrap_or_default();
    let codec = scheme.fit(name, values, shape)?;
    codec.encode(name, values, shape)
}

/// Decodes a quantized tensor of two dimensions into a matrix.
///
/// # Errors
/// Where the tensor is not a matrix, or its codes do not fit its grid.
pub fn dequantize_array(tensor: &QuantizedTensor) -> Result<Array2<f32>> {
    tensor.validate()?;
    let &[rows, columns] = tensor.shape.as_slice() else {
        return Err(compress_core::Error::invalid(
            format!("shape of {}", tensor.name),
            format!("{:?}", tensor.shape),
            "of two dimensions",
        ));
    };
    Array2::from_shape_vec((rows, columns), tensor.dequantize()?)
        .map_err(compress_core::Error::other)
}
