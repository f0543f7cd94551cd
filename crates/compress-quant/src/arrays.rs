//! Quantizes `ndarray` arrays of any rank, without a network.

use compress_core::codec::Tensor;
use compress_core::kernels::memory::row_major;
use compress_core::{Error, Result};
use ndarray::{ArrayD, ArrayView, Dimension};

use crate::schemes::Scheme;

/// Fits `scheme` to an array of any rank and memory layout and encodes it. The first axis is the
/// outputs: all others make a row. Errors call the array `name`.
///
/// # Errors
/// Where a weight is NaN or infinite, or the scheme cannot take the shape.
pub fn quantize_array<D: Dimension>(
    name: &str,
    weights: ArrayView<'_, f32, D>,
    scheme: &dyn Scheme,
) -> Result<Tensor> {
    let weights = row_major(name, weights)?;
    let shape = weights.shape();
    // In standard layout, so it is a slice.
    let values = weights.as_slice().unwrap_or_default();
    let codec = scheme.fit(name, values, shape)?;
    codec.encode(name, values, shape)
}

/// Decodes a tensor into an array of its shape.
///
/// # Errors
/// Where the tensor's codes do not fit its grid or its shape.
pub fn dequantize_array(tensor: &Tensor) -> Result<ArrayD<f32>> {
    tensor.validate()?;
    ArrayD::from_shape_vec(tensor.shape(), tensor.values()?).map_err(Error::other)
}
