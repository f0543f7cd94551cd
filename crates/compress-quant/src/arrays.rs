//! Quantizes `ndarray` arrays of any rank, for callers without a model.

use compress_core::Result;
use compress_core::codec::QuantizedTensor;
use ndarray::{ArrayD, ArrayView, Dimension, IxDyn};

use crate::schemes::Scheme;

/// Fits `scheme` to an array of any rank and memory layout, whose first axis is the outputs, and
/// encodes it. Errors call it `name`.
///
/// # Errors
/// Where a weight is NaN or infinite.
pub fn quantize_array<D: Dimension>(
    name: &str,
    weights: ArrayView<'_, f32, D>,
    scheme: &dyn Scheme,
) -> Result<QuantizedTensor> {
    let weights = weights.as_standard_layout();
    let shape = weights.shape();
    // In standard layout, so it is a slice.
    let values = weights.as_slice().unwrap_or_default();
    let codec = scheme.fit(name, values, shape)?;
    codec.encode(name, values, shape)
}

/// Decodes a quantized tensor into an array of its shape. For one of known rank, add
/// `.into_dimensionality()`.
///
/// # Errors
/// Where its codes do not fit its grid.
pub fn dequantize_array(tensor: &QuantizedTensor) -> Result<ArrayD<f32>> {
    tensor.validate()?;
    ArrayD::from_shape_vec(IxDyn(&tensor.shape), tensor.dequantize()?)
        .map_err(compress_core::Error::other)
}
