//! The matrix products of a dense layer.

use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::kernels::reduce;
use compress_core::network::Parameter;
use compress_core::ops::rows::column_sums;
use compress_core::{Error, Result};
use ndarray::{ArrayView2, ArrayViewMut2};

/// `y = x · weightᵀ + bias`: x `[batch, in]`, weight `[out, in]`, bias `[out]`, y `[batch, out]`.
pub(crate) fn forward(
    x: ArrayView2<'_, f32>,
    weight: &Parameter,
    bias: &Parameter,
    y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    gemm(
        x,
        weight.matrix().reversed_axes(),
        Init::Bias(bias.values()),
        y,
    )
}

/// Writes the gradients of weight (`dyᵀ · x`) and bias (the sum of dy over the batch).
pub(crate) fn backward_parameters(
    x: ArrayView2<'_, f32>,
    dy: ArrayView2<'_, f32>,
    weight: &mut Parameter,
    bias: &mut Parameter,
) -> Result<()> {
    let shape = (dy.ncols(), x.ncols());
    Error::check_shape(weight.name(), &[shape.0, shape.1], weight.shape())?;
    Error::check_shape(bias.name(), &[shape.0], bias.shape())?;
    let gradient = ArrayViewMut2::from_shape(shape, weight.gradient_mut()).map_err(Error::other)?;
    gemm(dy.reversed_axes(), x, Init::Zero, gradient)?;
    column_sums(dy, bias.gradient_mut())
}

/// Writes the gradient of the layer's input: `dx = dy · weight`.
pub(crate) fn backward_input(
    dy: ArrayView2<'_, f32>,
    weight: &Parameter,
    dx: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    gemm(dy, weight.matrix(), Init::Zero, dx)
}

/// `y = W·x + b`, feature by feature: x `[in_features, batch]`, y `[out_features, batch]`.
pub(crate) fn forward_by_feature(
    x: ArrayView2<'_, f32>,
    weight: &Parameter,
    bias: &Parameter,
    mut y: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    Error::check_shape(bias.name(), &[y.nrows()], bias.shape())?;
    for (mut row, &bias) in y.rows_mut().into_iter().zip(bias.values()) {
        row.fill(bias);
    }
    gemm(weight.matrix(), x, Init::Accumulate, y)
}

/// The gradient of the bias from dy `[out_features, batch]`.
pub(crate) fn backward_bias_by_feature(
    dy: ArrayView2<'_, f32>,
    bias: &mut Parameter,
) -> Result<()> {
    Error::check_shape(bias.name(), &[dy.nrows()], bias.shape())?;
    let rows = dy.rows().into_iter();
    for (sum, row) in bias.gradient_mut().iter_mut().zip(rows) {
        *sum = reduce::sum(row.as_slice().unwrap_or_default())?;
    }
    Ok(())
}
