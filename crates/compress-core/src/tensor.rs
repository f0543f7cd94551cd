//! Named tensors that somebody lends: an array of theirs, a file's, a network's.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The role of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// A weight that inputs are multiplied by: `[out_features, in_features]`,
    /// `[out_channels, in_channels / groups, kh, kw]`, or of any other rank. Its first axis is the
    /// outputs.
    Weight,
    /// A bias `[out_features]`.
    Bias,
    /// Anything else, such as the gain of a normalization.
    Other,
}

/// A tensor to read. Contiguous and row-major.
#[derive(Clone, Copy, Debug)]
pub struct TensorRef<'a> {
    /// Its name, in PyTorch's style: `layers.0.weight`.
    pub name: &'a str,
    /// What it is.
    pub role: Role,
    /// Its dimensions.
    pub shape: &'a [usize],
    /// As many values as the shape says, row-major.
    pub values: &'a [f32],
}

/// A tensor to change. Contiguous and row-major.
#[derive(Debug)]
pub struct TensorMut<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is.
    pub role: Role,
    /// Its dimensions.
    pub shape: &'a [usize],
    /// As many values as the shape says, row-major.
    pub values: &'a mut [f32],
}

impl<'a> TensorRef<'a> {
    /// A weight.
    ///
    /// # Errors
    /// Where there are not as many values as the shape says.
    pub fn weight(name: &'a str, shape: &'a [usize], values: &'a [f32]) -> Result<Self> {
        let role = Role::Weight;
        let tensor = TensorRef {
            name,
            role,
            shape,
            values,
        };
        tensor.check()?;
        Ok(tensor)
    }

    /// Fails unless there are as many values as the shape says.
    ///
    /// # Errors
    /// Names the tensor.
    pub fn check(&self) -> Result<()> {
        Error::check_shape(self.name, &[volume(self.shape)], &[self.values.len()])
    }

    /// Fails at the first value that is NaN or infinite, or where [`TensorRef::check`] does.
    ///
    /// # Errors
    /// Names the tensor.
    pub fn check_finite(&self) -> Result<()> {
        self.check()?;
        Error::check_finite(self.name, self.values)
    }

    /// As the matrix whose rows are everything but the first axis ([`matrix_shape`]).
    ///
    /// # Errors
    /// As [`TensorRef::check`].
    pub fn matrix(&self) -> Result<ArrayView2<'a, f32>> {
        self.check()?;
        ArrayView2::from_shape(matrix_shape(self.shape), self.values).map_err(Error::other)
    }
}

impl TensorMut<'_> {
    /// The same tensor, to read.
    pub fn as_ref(&self) -> TensorRef<'_> {
        TensorRef {
            name: self.name,
            role: self.role,
            shape: self.shape,
            values: self.values,
        }
    }
}

/// How many values a tensor of this shape holds; `usize::MAX` where they are more, as a file can
/// claim.
pub fn volume(shape: &[usize]) -> usize {
    // A zero anywhere makes it empty, even if the product of the dimensions before it overflows.
    if shape.contains(&0) {
        return 0;
    }
    shape.iter().fold(1, |n: usize, &d| n.saturating_mul(d))
}

/// Rows and columns of a tensor as a matrix: a row is everything but the first axis, since that is
/// what an output sums over. A vector `[n]` is one row.
pub fn matrix_shape(shape: &[usize]) -> (usize, usize) {
    match shape {
        [] => (1, 1),
        [n] => (1, *n),
        [rows, row @ ..] => (*rows, volume(row)),
    }
}

/// Copies the marked positions along one axis of a row-major tensor, in their order.
///
/// # Errors
/// Where the axis does not exist, or there is not one mark for each position along it.
pub fn keep_along(tensor: TensorRef<'_>, axis: usize, keep: &[bool]) -> Result<Vec<f32>> {
    let kept: Vec<usize> = (0..keep.len()).filter(|&i| keep[i]).collect();
    check_axis(tensor, axis, keep.len())?;
    Ok(select(tensor, axis, &kept))
}

/// Copies a row-major tensor with the positions along one axis in another order: position `i` of
/// the result is position `order[i]` of the tensor.
///
/// # Errors
/// Where the axis does not exist, or `order` is no order of the positions along it.
pub fn permute_along(tensor: TensorRef<'_>, axis: usize, order: &[usize]) -> Result<Vec<f32>> {
    check_axis(tensor, axis, order.len())?;
    let mut seen = vec![false; order.len()];
    for &from in order {
        match seen.get_mut(from) {
            Some(seen) if !*seen => *seen = true,
            _ => {
                let what = format!("an order along axis {axis} of {}", tensor.name);
                return Err(Error::invalid(what, from, "each position once"));
            }
        }
    }
    Ok(select(tensor, axis, order))
}

fn check_axis(tensor: TensorRef<'_>, axis: usize, positions: usize) -> Result<()> {
    tensor.check()?;
    let what = format!("positions along axis {axis} of {}", tensor.name);
    let Some(&length) = tensor.shape.get(axis) else {
        return Err(Error::invalid(what, positions, "of an axis that exists"));
    };
    Error::check_shape(&what, &[length], &[positions])
}

fn select(tensor: TensorRef<'_>, axis: usize, positions: &[usize]) -> Vec<f32> {
    let length = tensor.shape[axis];
    let inner = volume(&tensor.shape[axis + 1..]);
    let mut out = Vec::with_capacity(tensor.values.len() / length.max(1) * positions.len());
    for outer in tensor.values.chunks_exact((length * inner).max(1)) {
        for &position in positions {
            out.extend_from_slice(&outer[position * inner..(position + 1) * inner]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array, Axis, IxDyn};

    #[test]
    fn a_row_is_everything_but_the_first_axis() {
        assert_eq!(matrix_shape(&[16, 3, 3, 3]), (16, 27));
        assert_eq!(matrix_shape(&[5, 7]), (5, 7));
        assert_eq!(matrix_shape(&[5]), (1, 5));
        assert_eq!(matrix_shape(&[]), (1, 1));
        assert_eq!(volume(&[usize::MAX, 3, 0]), 0);
        assert_eq!(volume(&[usize::MAX, 3]), usize::MAX);
    }

    #[test]
    fn positions_along_any_axis() {
        let shape = [4, 3, 2, 5];
        let array = Array::from_shape_fn(IxDyn(&shape), |i| {
            (i[0] * 1000 + i[1] * 100 + i[2] * 10 + i[3]) as f32
        });
        let values: Vec<f32> = array.iter().copied().collect();
        let tensor = TensorRef::weight("w", &shape, &values).unwrap();
        for (axis, &length) in shape.iter().enumerate() {
            let keep: Vec<bool> = (0..length).map(|i| i % 2 == 1).collect();
            let kept: Vec<usize> = (0..length).filter(|i| i % 2 == 1).collect();
            let expected: Vec<f32> = array.select(Axis(axis), &kept).into_iter().collect();
            assert_eq!(keep_along(tensor, axis, &keep).unwrap(), expected);
            let order: Vec<usize> = (0..length).rev().collect();
            let expected: Vec<f32> = array.select(Axis(axis), &order).into_iter().collect();
            assert_eq!(permute_along(tensor, axis, &order).unwrap(), expected);
            assert!(keep_along(tensor, axis, &vec![true; length + 1]).is_err());
            assert!(permute_along(tensor, axis, &vec![0; length]).is_err());
        }
        assert!(keep_along(tensor, 4, &[true]).is_err());
        assert!(TensorRef::weight("w", &shape, &values[1..]).is_err());
    }
}
