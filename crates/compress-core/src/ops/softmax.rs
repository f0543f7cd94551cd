//! Softmax with a temperature, and related functions, over the rows of a matrix of logits.
//!
//! A row that holds a NaN or +∞, or nothing but −∞, has no softmax: all of it becomes NaN. A
//! single −∞ among finite logits is a class of probability 0. The sums follow the fixed tree of
//! [`crate::kernels::reduce`].

use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

use super::scalar::{exp_body, ln_body};
use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::kernels::reduce::{CHUNK, sum_chunk};
use crate::{Error, Result};

/// Values that are worked on at once: they stay in the first-level cache over the passes.
const BLOCK: usize = 4096;
/// Matrices of more values than this are shared among threads.
const PARALLEL: usize = 1 << 16;

/// `out = softmax(logits / temperature)` for each row; both `[rows, classes]`.
///
/// # Errors
/// Where the shapes differ or `temperature` is not positive and finite.
pub fn softmax(
    logits: ArrayView2<'_, f32>,
    temperature: f32,
    out: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    by_rows(logits, temperature, out, softmax_at)
}

/// `out = ln softmax(logits / temperature)` for each row; both `[rows, classes]`.
///
/// # Errors
/// Where the shapes differ or `temperature` is not positive and finite.
pub fn log_softmax(
    logits: ArrayView2<'_, f32>,
    temperature: f32,
    out: ArrayViewMut2<'_, f32>,
) -> Result<()> {
    by_rows(logits, temperature, out, log_softmax_at)
}

/// Copies the logits and applies `f` to blocks of whole rows.
fn by_rows(
    logits: ArrayView2<'_, f32>,
    temperature: f32,
    mut out: ArrayViewMut2<'_, f32>,
    f: fn(Isa, &mut [f32], usize, f32),
) -> Result<()> {
    Error::check_shape("output of a softmax", logits.shape(), out.shape())?;
    if !(temperature.is_finite() && temperature > 0.0) {
        return Err(Error::invalid(
            "temperature",
            temperature,
            "positive and finite",
        ));
    }
    if logits.is_empty() {
        return Ok(());
    }
    let isa = Isa::active()?;
    let classes = logits.ncols();
    let block = (BLOCK / classes).max(1) * classes;
    let run = |values: &mut [f32]| {
        if values.len() < PARALLEL {
            let blocks = values.chunks_mut(block);
            blocks.for_each(|rows| f(isa, rows, classes, temperature));
        } else {
            let blocks = values.par_chunks_mut(block);
            blocks.for_each(|rows| f(isa, rows, classes, temperature));
        }
    };
    out.assign(&logits);
    match out.as_slice_mut() {
        Some(values) => run(values),
        None => {
            // Strided: work on a copy.
            let mut copy = logits.as_standard_layout().into_owned();
            run(copy.as_slice_mut().unwrap_or_default());
            out.assign(&copy);
        }
    }
    Ok(())
}

/// Less than this, and the difference from any finite value is finite: half of the distance from
/// the largest f32 to its neighbour.
pub(super) const FAR: f32 = f32::from_bits((127 + 103) << 23);

/// Whether `x − largest` is beyond f32 though both are finite.
#[inline(always)]
pub(super) fn overflows(x: f32, largest: f32) -> bool {
    x.is_finite() && largest.is_finite() && (x - largest).is_infinite()
}

by_level! {
    /// Softmax of each row of `classes` values, in place.
    pub(super) fn softmax_at(rows: &mut [f32], classes: usize, temperature: f32) = softmax_body;
    /// Log-softmax of each row of `classes` values, in place.
    pub(super) fn log_softmax_at(rows: &mut [f32], classes: usize, temperature: f32)
        = log_softmax_body;
}

#[inline(always)]
fn softmax_body(rows: &mut [f32], classes: usize, temperature: f32) {
    shift(rows, classes, temperature);
    // Over all rows at once, since a row may be shorter than a vector.
    rows.iter_mut().for_each(|x| *x = exp_body(*x));
    for row in rows.chunks_exact_mut(classes) {
        let sum = sum(row);
        row.iter_mut().for_each(|x| *x /= sum);
    }
}

#[inline(always)]
fn log_softmax_body(rows: &mut [f32], classes: usize, temperature: f32) {
    shift(rows, classes, temperature);
    let mut powers = rows.to_vec();
    powers.iter_mut().for_each(|x| *x = exp_body(*x));
    let mut logs: Vec<f32> = powers.chunks_exact(classes).map(sum).collect();
    // Likewise of all rows at once.
    logs.iter_mut().for_each(|x| *x = ln_body(*x));
    for (row, log) in rows.chunks_exact_mut(classes).zip(logs) {
        row.iter_mut().for_each(|x| *x -= log);
    }
}

/// `x = (x − largest of the row) / temperature`.
#[inline(always)]
fn shift(rows: &mut [f32], classes: usize, temperature: f32) {
    for row in rows.chunks_exact_mut(classes) {
        let largest = max(row);
        if largest < FAR {
            row.iter_mut()
                .for_each(|x| *x = (*x - largest) / temperature);
        } else {
            shift_far(row, largest, temperature);
        }
    }
}

/// As [`shift`] for a row, where a difference may be beyond f32 though its quotient is not.
#[cold]
fn shift_far(row: &mut [f32], largest: f32, temperature: f32) {
    for x in row {
        *x = match overflows(*x, largest) {
            true => (0.5 * *x - 0.5 * largest) / temperature * 2.0,
            false => (*x - largest) / temperature,
        };
    }
}

/// The largest value; NaN does not count, and −∞ is that of none.
#[inline(always)]
fn max(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    if x.len() < 16 {
        return x.iter().copied().fold(f32::NEG_INFINITY, larger);
    }
    let mut lanes = [f32::NEG_INFINITY; 16];
    let mut whole = x.chunks_exact(16);
    for values in whole.by_ref() {
        for j in 0..16 {
            lanes[j] = larger(lanes[j], values[j]);
        }
    }
    let rest = whole.remainder().iter().copied();
    let largest = rest.fold(f32::NEG_INFINITY, larger);
    lanes.into_iter().fold(largest, larger)
}

/// The sum by the fixed tree of [`crate::kernels::reduce::sum`].
#[inline(always)]
fn sum(x: &[f32]) -> f32 {
    let chunks = x.chunks(CHUNK).map(|chunk| f64::from(sum_chunk(chunk)));
    chunks.sum::<f64>() as f32
}
