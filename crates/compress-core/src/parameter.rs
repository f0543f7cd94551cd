//! A tensor that a network owns, with its gradient.

use ndarray::{Array2, ArrayView2, ArrayViewD, IxDyn};

use crate::tensor::{Role, TensorMut, TensorRef, matrix_shape, volume};
use crate::{Error, Result};

/// A named tensor that training changes, with its gradient. Contiguous and row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    name: String,
    role: Role,
    shape: Vec<usize>,
    value: Vec<f32>,
    gradient: Vec<f32>,
}

impl Parameter {
    /// A weight `[out_features, in_features]`.
    pub fn weight(name: impl Into<String>, value: Array2<f32>) -> Self {
        let shape = vec![value.nrows(), value.ncols()];
        Self::from_parts(
            name.into(),
            Role::Weight,
            shape,
            value.iter().copied().collect(),
        )
    }

    /// A bias `[out_features]`.
    pub fn bias(name: impl Into<String>, value: Vec<f32>) -> Self {
        let shape = vec![value.len()];
        Self::from_parts(name.into(), Role::Bias, shape, value)
    }

    /// A tensor of any rank.
    ///
    /// # Errors
    /// Where there are not as many values as the shape says.
    pub fn new(
        name: impl Into<String>,
        role: Role,
        shape: Vec<usize>,
        values: Vec<f32>,
    ) -> Result<Self> {
        let name = name.into();
        Error::check_shape(&name, &[volume(&shape)], &[values.len()])?;
        Ok(Self::from_parts(name, role, shape, values))
    }

    fn from_parts(name: String, role: Role, shape: Vec<usize>, value: Vec<f32>) -> Self {
        let gradient = vec![0.0; value.len()];
        Parameter {
            name,
            role,
            shape,
            value,
            gradient,
        }
    }

    /// Its name, in PyTorch's style: `layers.0.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.value
    }

    /// The values, row-major, to change.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.value
    }

    /// The gradient of the last backward pass, in the same order as the values.
    pub fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// The gradient, to change.
    pub fn gradient_mut(&mut self) -> &mut [f32] {
        &mut self.gradient
    }

    /// Values and gradient at once, as an optimizer needs them.
    pub fn values_and_gradient_mut(&mut self) -> (&mut [f32], &mut [f32]) {
        (&mut self.value, &mut self.gradient)
    }

    /// The values as an array.
    pub fn array(&self) -> ArrayViewD<'_, f32> {
        ArrayViewD::from_shape(IxDyn(&self.shape), &self.value)
            .expect("a parameter's values fill its shape")
    }

    /// The values as a matrix whose rows are everything but the first axis; a bias is one row.
    pub fn matrix(&self) -> ArrayView2<'_, f32> {
        ArrayView2::from_shape(matrix_shape(&self.shape), &self.value)
            .expect("a parameter's values fill its shape")
    }

    /// As it is lent.
    pub fn tensor(&self) -> TensorRef<'_> {
        TensorRef {
            name: &self.name,
            role: self.role,
            shape: &self.shape,
            values: &self.value,
        }
    }

    /// As it is lent to be changed.
    pub fn tensor_mut(&mut self) -> TensorMut<'_> {
        TensorMut {
            name: &self.name,
            role: self.role,
            shape: &self.shape,
            values: &mut self.value,
        }
    }

    /// Its gradient as it is lent to be changed.
    pub fn gradient_tensor_mut(&mut self) -> TensorMut<'_> {
        TensorMut {
            name: &self.name,
            role: self.role,
            shape: &self.shape,
            values: &mut self.gradient,
        }
    }
}

#[cfg(test)]
mod tests;
