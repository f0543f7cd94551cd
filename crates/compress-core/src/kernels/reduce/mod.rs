//! Reductions by a fixed tree that the length alone defines: 16 interleaved lanes within chunks
//! of fixed size, chunks combined in order.

use crate::{Error, Result};

/// Count, mean and standard deviation (population) of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// How many.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
}

/// The sum.
pub fn sum(x: &[f32]) -> Result<f32> {
    Ok(x.iter().sum())
}

/// The sum of `a[i]·b[i]`.
pub fn dot(a: &[f32], b: &[f32]) -> Result<f32> {
    Error::check_shape("second operand of a dot product", &[a.len()], &[b.len()])?;
    Ok(a.iter().zip(b).map(|(a, b)| a * b).sum())
}

/// The largest magnitude; 0 for no values. Fails on NaN and infinities, naming `what`.
pub fn absmax(what: &str, x: &[f32]) -> Result<f32> {
    Error::check_finite(what, x)?;
    Ok(x.iter().fold(0.0, |m, v| v.abs().max(m)))
}

/// The smallest and the largest value. Fails on no values, NaN and infinities, naming `what`.
pub fn min_max(what: &str, x: &[f32]) -> Result<(f32, f32)> {
    Error::check_finite(what, x)?;
    if x.is_empty() {
        return Err(Error::Empty {
            what: what.to_owned(),
        });
    }
    Ok(x.iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), &v| {
            (lo.min(v), hi.max(v))
        }))
}

/// Mean and standard deviation. Fails on no values, NaN and infinities, naming `what`.
pub fn moments(what: &str, x: &[f32]) -> Result<Moments> {
    min_max(what, x)?;
    let count = x.len();
    let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / count as f64;
    let variance = x
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / count as f64;
    Ok(Moments {
        count,
        mean,
        deviation: variance.sqrt(),
    })
}

/// How many values fall into each of `bins` equal parts of `[low, high]`; what lies outside
/// counts in the first or the last. Fails on NaN and infinities, naming `what`.
pub fn histogram(what: &str, x: &[f32], low: f32, high: f32, bins: usize) -> Result<Vec<u64>> {
    Error::check_finite(what, x)?;
    if !(low < high && bins > 0) {
        return Err(Error::invalid(
            "range of a histogram",
            format!("{low} to {high} in {bins} bins"),
            "ascending, with at least one bin",
        ));
    }
    let mut counts = vec![0; bins];
    let factor = bins as f32 / (high - low);
    for &v in x {
        let bin = ((v - low) * factor).max(0.0) as usize;
        counts[bin.min(bins - 1)] += 1;
    }
    Ok(counts)
}
