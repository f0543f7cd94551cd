//! Operations along the rows of a matrix, such as adding a layer's bias, and its gradient.

use ndarray::ArrayView2;

use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::kernels::memory;
use crate::{Error, Result};

/// `out[j] = Σ matrix[i, j]` over the rows i, ascending, from zero: the gradient of a bias.
/// `matrix` is `[rows, columns]`, `out` `[columns]`. A sum of f32 that is not finite is taken in f64
/// instead, as what is beyond f32 on the way need not be at the end.
///
/// # Errors
/// Where the lengths differ, or memory does not hold the copy that a strided matrix needs.
pub fn column_sums(matrix: ArrayView2<'_, f32>, out: &mut [f32]) -> Result<()> {
    Error::check_shape("column sums", &[matrix.ncols()], &[out.len()])?;
    let isa = Isa::active()?;
    let matrix = memory::row_major("matrix of column sums", matrix)?;
    let values = matrix.as_slice().unwrap_or_default();
    column_sums_at(isa, values, out);
    let columns = out.len();
    for (column, sum) in out.iter_mut().enumerate() {
        if !sum.is_finite() {
            let in_column = values.iter().skip(column).step_by(columns);
            *sum = in_column.map(|&x| f64::from(x)).sum::<f64>() as f32;
        }
    }
    Ok(())
}

/// `out[j] += Σ matrix[i, j]²` in f64 over the rows i, ascending. `matrix` is
/// `[rows, columns]`, `out` `[columns]`.
///
/// # Errors
/// As [`column_sums`].
pub fn add_column_squares(matrix: ArrayView2<'_, f32>, out: &mut [f64]) -> Result<()> {
    Error::check_shape("column squares", &[matrix.ncols()], &[out.len()])?;
    let isa = Isa::active()?;
    let matrix = memory::row_major("matrix of column squares", matrix)?;
    add_column_squares_at(isa, matrix.as_slice().unwrap_or_default(), out);
    Ok(())
}

/// `out[j] += Σ matrix[i, j]` in f64 over the rows i, ascending. `matrix` is `[rows, columns]`,
/// `out` `[columns]`.
///
/// # Errors
/// As [`column_sums`].
pub fn add_column_sums(matrix: ArrayView2<'_, f32>, out: &mut [f64]) -> Result<()> {
    Error::check_shape("column sums", &[matrix.ncols()], &[out.len()])?;
    let isa = Isa::active()?;
    let matrix = memory::row_major("matrix of column sums", matrix)?;
    add_column_sums_at(isa, matrix.as_slice().unwrap_or_default(), out);
    Ok(())
}

by_level! {
    pub(super) fn add_column_sums_at(matrix: &[f32], out: &mut [f64]) = add_column_sums_body;
    pub(super) fn column_sums_at(matrix: &[f32], out: &mut [f32]) = column_sums_body;
    pub(super) fn add_column_squares_at(matrix: &[f32], out: &mut [f64])
        = add_column_squares_body;
}

#[inline(always)]
fn column_sums_body(matrix: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    if out.is_empty() {
        return;
    }
    // The row of sums stays in the first-level cache.
    for row in matrix.chunks_exact(out.len()) {
        for (sum, &x) in out.iter_mut().zip(row) {
            *sum += x;
        }
    }
}

#[inline(always)]
fn add_column_sums_body(matrix: &[f32], out: &mut [f64]) {
    if out.is_empty() {
        return;
    }
    for row in matrix.chunks_exact(out.len()) {
        for (sum, &x) in out.iter_mut().zip(row) {
            *sum += f64::from(x);
        }
    }
}

#[inline(always)]
fn add_column_squares_body(matrix: &[f32], out: &mut [f64]) {
    if out.is_empty() {
        return;
    }
    for row in matrix.chunks_exact(out.len()) {
        for (sum, &x) in out.iter_mut().zip(row) {
            let x = f64::from(x);
            *sum = x.mul_add(x, *sum);
        }
    }
}
