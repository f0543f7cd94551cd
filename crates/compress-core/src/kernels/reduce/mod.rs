//! Reductions (sums, norms, extremes, moments) by a fixed tree that depends on the length alone.
//!
//! Values are cut into chunks of [`CHUNK`]. Within a chunk, value i goes to lane i mod [`LANES`].
//! Each lane adds its values in ascending order, starting from zero. The lanes are then added in
//! halves: lane j and lane j + 16, then j + 8, and so on. The sums of the chunks are added in
//! order, in f64. Threads take whole chunks. So neither the number of threads nor the width of a
//! vector changes a bit.
//!
//! Each reduction reads its input once. Those with a `what` argument also refuse NaN and infinities
//! in the same pass.

mod reference;

#[cfg(test)]
mod tests;

use rayon::prelude::*;

use crate::isa::Isa;
use crate::{Error, Result};

pub use reference::LANES;
pub(crate) use reference::{INFINITE, absmax_bits, dot_in, min_max_keys, of_key, sum_chunk};

/// Values of a chunk.
pub const CHUNK: usize = 4096;

/// Inputs of at least this many values are shared among threads.
const PARALLEL: usize = 1 << 19;
/// Chunks that a thread takes at least at once.
const CHUNKS_AT_ONCE: usize = 16;

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

/// The sum; 0 for no values.
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
pub fn sum(x: &[f32]) -> Result<f32> {
    Ok(sum_with(Isa::active()?, x))
}

/// The sum of `a[i]·b[i]`, each lane a chain of fused multiply-adds; 0 for no values.
///
/// # Errors
/// Where the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> Result<f32> {
    Error::check_shape("second operand of a dot product", &[a.len()], &[b.len()])?;
    Ok(dot_with(Isa::active()?, a, b))
}

/// The sum of squares in f64, which neither overflows nor loses a square's bits; 0 for no
/// values.
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
pub fn squared_norm(x: &[f32]) -> Result<f64> {
    Ok(squared_norm_with(Isa::active()?, x))
}

/// The largest magnitude; 0 for no values.
///
/// # Errors
/// At NaN and infinities, naming `what` and the first such position.
pub fn absmax(what: &str, x: &[f32]) -> Result<f32> {
    absmax_with(Isa::active()?, what, x)
}

/// The smallest and the largest value; −0 counts as less than +0.
///
/// # Errors
/// For no values, and at NaN and infinities, naming `what` and the first such position.
pub fn min_max(what: &str, x: &[f32]) -> Result<(f32, f32)> {
    min_max_with(Isa::active()?, what, x)
}

/// Mean and standard deviation in f64.
///
/// Each chunk's deviations are taken from that chunk's mean while the chunk is in the cache, and
/// chunks are combined in order.
///
/// # Errors
/// For no values, and at NaN and infinities, naming `what` and the first such position.
///
/// # References
/// Chan, Golub, LeVeque 1983, *Algorithms for computing the sample variance*, equation 2.1.
pub fn moments(what: &str, x: &[f32]) -> Result<Moments> {
    moments_with(Isa::active()?, what, x)
}

/// How many values fall into each of `bins` equal parts of `[low, high]`; what lies outside
/// counts in the first or the last. A value on a boundary counts in the upper part, `high` in
/// the last.
///
/// # Errors
/// Where the range is not finite and ascending, `bins` is 0 or more than 2²⁴, and at NaN and
/// infinities, naming `what` and the first such position.
pub fn histogram(what: &str, x: &[f32], low: f32, high: f32, bins: usize) -> Result<Vec<u64>> {
    histogram_with(Isa::active()?, what, x, low, high, bins)
}

fn sum_with(isa: Isa, x: &[f32]) -> f32 {
    let mut total = 0.0;
    in_order(
        x,
        |_, c| reference::sum_at(isa, c),
        |s| total += f64::from(s),
    );
    total as f32
}

fn dot_with(isa: Isa, a: &[f32], b: &[f32]) -> f32 {
    let mut total = 0.0;
    let of_chunk = |start: usize, a: &[f32]| reference::dot_at(isa, a, &b[start..start + a.len()]);
    in_order(a, of_chunk, |s| total += f64::from(s));
    total as f32
}

fn squared_norm_with(isa: Isa, x: &[f32]) -> f64 {
    let mut total = 0.0;
    in_order(x, |_, c| reference::squared_norm_at(isa, c), |s| total += s);
    total
}

/// As [`absmax`], at a given level.
pub fn absmax_with(isa: Isa, what: &str, x: &[f32]) -> Result<f32> {
    let mut largest = 0;
    in_order(
        x,
        |_, c| reference::absmax_bits_at(isa, c),
        |bits| largest = largest.max(bits),
    );
    if largest >= INFINITE {
        return Err(non_finite(what, x));
    }
    Ok(f32::from_bits(largest))
}

fn min_max_with(isa: Isa, what: &str, x: &[f32]) -> Result<(f32, f32)> {
    let (mut low, mut high) = (i32::MAX, i32::MIN);
    let keep = |(l, h): (i32, i32)| (low, high) = (low.min(l), high.max(h));
    in_order(x, |_, c| reference::min_max_keys_at(isa, c), keep);
    if x.is_empty() {
        return Err(Error::Empty {
            what: what.to_owned(),
        });
    }
    let (low, high) = (reference::of_key(low), reference::of_key(high));
    if !(low.is_finite() && high.is_finite()) {
        return Err(non_finite(what, x));
    }
    Ok((low, high))
}

fn moments_with(isa: Isa, what: &str, x: &[f32]) -> Result<Moments> {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    let combine = |(n, m, s): (f64, f64, f64)| {
        let (total, difference) = (count + n, m - mean);
        mean += difference * (n / total);
        squares += s + difference * difference * (count * n / total);
        count = total;
    };
    in_order(x, |_, c| reference::moments_at(isa, c), combine);
    if x.is_empty() {
        return Err(Error::Empty {
            what: what.to_owned(),
        });
    }
    if !(mean.is_finite() && squares.is_finite()) {
        return Err(non_finite(what, x));
    }
    Ok(Moments {
        count: x.len(),
        mean,
        deviation: (squares / count).sqrt(),
    })
}

fn histogram_with(
    isa: Isa,
    what: &str,
    x: &[f32],
    low: f32,
    high: f32,
    bins: usize,
) -> Result<Vec<u64>> {
    const MAX_BINS: usize = 1 << 24;
    let ascending = low.is_finite() && high.is_finite() && low < high;
    if !ascending || bins == 0 || bins > MAX_BINS {
        return Err(Error::invalid(
            "range of a histogram",
            format!("{low} to {high} in {bins} bins"),
            format!("finite and ascending, with 1 to {MAX_BINS} bins"),
        ));
    }
    let (low, high) = (f64::from(low), f64::from(high));
    let factor = bins as f64 / (high - low);
    let bin_of = |v: f32| {
        // The cast saturates at 0 below the range.
        let bin = ((f64::from(v) - low) * factor) as usize;
        bin.min(bins - 1)
    };
    let count = |mut counts: Vec<u64>, chunk: &[f32]| {
        // Counting is bound by the increments, so this check, which brings the chunk into the
        // cache, costs next to nothing.
        if reference::absmax_bits_at(isa, chunk) >= INFINITE {
            return Err(());
        }
        chunk.iter().for_each(|&v| counts[bin_of(v)] += 1);
        Ok(counts)
    };
    let none = || vec![0; bins];
    let counts = if x.len() < PARALLEL.max(bins) {
        x.chunks(CHUNK).try_fold(none(), count)
    } else {
        let add = |mut a: Vec<u64>, b: Vec<u64>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            Ok(a)
        };
        let chunks = x.par_chunks(CHUNK).with_min_len(CHUNKS_AT_ONCE);
        chunks.try_fold(none, count).try_reduce(none, add)
    };
    counts.map_err(|()| non_finite(what, x))
}

/// Gives each chunk of `x`, with its position, to `of_chunk`, and the results to `combine` in
/// the order of the chunks.
fn in_order<T: Send>(
    x: &[f32],
    of_chunk: impl Fn(usize, &[f32]) -> T + Sync,
    combine: impl FnMut(T),
) {
    let at = |(i, chunk)| of_chunk(i * CHUNK, chunk);
    if x.len() < PARALLEL {
        x.chunks(CHUNK).enumerate().map(at).for_each(combine);
        return;
    }
    let chunks = x.par_chunks(CHUNK).enumerate();
    let results: Vec<T> = chunks.with_min_len(CHUNKS_AT_ONCE).map(at).collect();
    results.into_iter().for_each(combine);
}

/// The error that names the first value of `x` that is not finite.
fn non_finite(what: &str, x: &[f32]) -> Error {
    let index = x.iter().position(|v| !v.is_finite()).unwrap_or(0);
    Error::NonFinite {
        what: what.to_owned(),
        index,
        value: x.get(index).copied().unwrap_or(f32::NAN),
    }
}
