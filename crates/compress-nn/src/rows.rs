//! Parts of a buffer: the first rows of a matrix, or as many values as a batch has features. (The
//! macro `s!` of `ndarray` does not compile under `forbid(unsafe_code)`.)

use compress_core::{Error, Result};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Slice};

/// The first `rows` rows.
pub(crate) fn first(matrix: &Array2<f32>, rows: usize) -> ArrayView2<'_, f32> {
    matrix.slice_axis(Axis(0), Slice::from(..rows))
}

/// The first `rows` rows, to change.
pub(crate) fn first_mut(matrix: &mut Array2<f32>, rows: usize) -> ArrayViewMut2<'_, f32> {
    matrix.slice_axis_mut(Axis(0), Slice::from(..rows))
}

/// The values of the first `rows` rows of a matrix in standard layout.
pub(crate) fn values_mut(matrix: &mut Array2<f32>, rows: usize) -> &mut [f32] {
    let columns = matrix.ncols();
    let values = matrix.as_slice_mut().unwrap_or_default();
    let end = (rows * columns).min(values.len());
    &mut values[..end]
}

/// The first values of a buffer `[capacity, features]` as `[features, rows]`.
pub(crate) fn by_feature(buffer: &Array2<f32>, rows: usize) -> Result<ArrayView2<'_, f32>> {
    let features = buffer.ncols();
    let values = buffer.as_slice().unwrap_or_default();
    let used = values.get(..features * rows).unwrap_or_default();
    ArrayView2::from_shape((features, rows), used).map_err(Error::other)
}

/// The same, to change.
pub(crate) fn by_feature_mut(
    buffer: &mut Array2<f32>,
    rows: usize,
) -> Result<ArrayViewMut2<'_, f32>> {
    let features = buffer.ncols();
    let used = values_mut(buffer, rows);
    ArrayViewMut2::from_shape((features, rows), used).map_err(Error::other)
}

/// Has no branch for each value, so that it is compiled to vectors.
pub(crate) fn all_finite(values: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    let faults = values
        .iter()
        .map(|v| u32::from(v.to_bits() & EXPONENT == EXPONENT));
    faults.fold(0, |any, fault| any | fault) == 0
}
