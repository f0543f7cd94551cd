//! Softmax and its relatives over the rows of a matrix of logits.

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::{Error, Result};

/// `out = softmax(logits / temperature)` for each row; both `[rows, classes]`, row-major.
pub fn softmax(
    logits: ArrayView2<'_, f32>,
    temperature: f32,
    mut out: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    log_softmax(logits, temperature, out.view_mut())?;
    out.mapv_inplace(f32::exp);
    Ok(())
}

/// `out = ln softmax(logits / temperature)` for each row; both `[rows, classes]`, row-major.
pub fn log_softmax(
    logits: ArrayView2<'_, f32>,
    temperature: f32,
    mut out: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    Error::check_shape("output of a softmax", logits.shape(), out.shape())?;
    if !(temperature.is_finite() && temperature > 0.0) {
        return Err(Error::invalid(
            "temperature",
            temperature,
            "positive and finite",
        ));
    }
    for (row, mut out) in logits.rows().into_iter().zip(out.rows_mut()) {
        out.assign(&row.mapv(|x| x / temperature));
        let sum = log_sum_exp(out.as_slice().unwrap_or_default())?;
        out.mapv_inplace(|x| x - sum);
    }
    Ok(())
}

/// `ln Σ exp(x)`, shifted by the largest value so that it does not overflow.
pub fn log_sum_exp(x: &[f32]) -> Result<f32> {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    Ok(max + x.iter().map(|x| (x - max).exp()).sum::<f32>().ln())
}
