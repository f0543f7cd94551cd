//! What every loss between features checks: its arrays, its value, its gradient.

use compress_core::{Error, Result};
use ndarray::{Array2, ArrayView2};

/// The features of student and teacher in f64, row-major: squares and products of f32 cannot leave
/// it.
pub(super) fn wide(
    student: ArrayView2<'_, f32>,
    teacher: ArrayView2<'_, f32>,
) -> Result<[Array2<f64>; 2]> {
    let both = [(STUDENT, student), (TEACHER, teacher)];
    for (what, features) in both {
        if features.is_empty() {
            let what = what.into();
            return Err(Error::Empty { what });
        }
        check_finite(what, features)?;
    }
    Error::check_shape(
        "rows of the teacher's features",
        &[student.nrows()],
        &[teacher.nrows()],
    )?;
    Ok([student, teacher].map(|features| features.as_standard_layout().mapv(f64::from)))
}

const STUDENT: &str = "the student's features";
const TEACHER: &str = "the teacher's features";

/// Value and gradient as f32; an error where they are not finite there.
pub(super) fn narrow(value: f64, gradient: &Array2<f64>) -> Result<(f32, Array2<f32>)> {
    let (value, gradient) = (value as f32, gradient.mapv(|g| g as f32));
    Error::check_finite("the loss between features", &[value])?;
    check_finite("the gradient of the student's features", gradient.view())?;
    Ok((value, gradient))
}

fn check_finite(what: &str, rows: ArrayView2<'_, f32>) -> Result<()> {
    match rows.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        None => Ok(()),
        Some((index, &value)) => Err(Error::NonFinite {
            what: what.to_owned(),
            index,
            value,
        }),
    }
}

/// The product of the vectors `a` and `b` of one length: sums in eight interleaved lanes, added in
/// their order.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
    lanes.into_iter().chain(rest).sum()
}

/// Adds `factor` times `x` to `y`.
pub(super) fn add_scaled(factor: f64, x: &[f64], y: &mut [f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

/// The rows of a row-major matrix of at least one column.
pub(super) fn rows(matrix: &Array2<f64>) -> std::slice::ChunksExact<'_, f64> {
    let values = matrix.as_slice().unwrap_or_default();
    values.chunks_exact(matrix.ncols())
}
