//! Named streams of random numbers: ChaCha with 8 rounds, seeded from the run's seed and a name.
//!
//! A consumer draws from its own stream, so adding one does not shift the others. What the
//! distributions return is computed by fixed arithmetic, the same on every machine. Filling a
//! slice draws the same words as drawing its values one by one would, where that is possible,
//! and is faster.

mod beta;
mod normal;
mod stream;

#[cfg(test)]
mod tests;

use rand::Rng;
use rand_distr::{Distribution, Uniform};

use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::{Error, Result};

pub use self::beta::symmetric_beta;
pub use self::normal::{fill_normal, normal};
pub use self::stream::{Stream, indexed, stream};

/// Uniform in [0, 1), a multiple of 2⁻²⁴.
pub fn uniform(stream: &mut Stream) -> f32 {
    (stream.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Fills `out` with values uniform in `[low, high)`.
///
/// # Errors
/// Where the range is empty, or its bounds or width are not finite.
pub fn fill_uniform(stream: &mut Stream, low: f32, high: f32, out: &mut [f32]) -> Result<()> {
    let range = Uniform::new(low, high);
    let range = range.map_err(|error| Error::Invalid {
        what: "a uniform range".into(),
        value: format!("{low} to {high}"),
        expected: format!("ascending and finite ({error})"),
    })?;
    // A word, a product and a sum each: exact arithmetic.
    out.iter_mut().for_each(|x| *x = range.sample(stream));
    Ok(())
}

/// Fills `out` with values that are true with `probability`, rounded to a multiple of 2⁻³²: a
/// word each, compared with a threshold. For dropout, `probability` is that of keeping.
///
/// # Errors
/// Where `probability` is not between 0 and 1.
pub fn fill_bernoulli(stream: &mut Stream, probability: f32, out: &mut [bool]) -> Result<()> {
    if !(0.0..=1.0).contains(&probability) {
        return Err(Error::invalid("a probability", probability, "0 to 1"));
    }
    let isa = Isa::active()?;
    let threshold = (f64::from(probability) * 4_294_967_296.0) as u64;
    let mut words = [0; 1024];
    for out in out.chunks_mut(words.len() / 4) {
        let words = &mut words[..4 * out.len()];
        stream.fill_bytes(words);
        below_threshold_at(isa, words, threshold, out);
    }
    Ok(())
}

by_level! {
    fn below_threshold_at(words: &[u8], threshold: u64, out: &mut [bool]) = below_threshold;
}

#[inline(always)]
fn below_threshold(words: &[u8], threshold: u64, out: &mut [bool]) {
    // Words from 0 to `last` are below the threshold, unless there is none.
    let (last, any) = (threshold.saturating_sub(1) as u32, threshold > 0);
    for (out, word) in out.iter_mut().zip(words.as_chunks().0) {
        *out = (u32::from_le_bytes(*word) <= last) & any;
    }
}

/// Uniform in `0..n`, without bias (Lemire 2019, 1805.10941). 0 where `n` is 0.
pub fn below(stream: &mut Stream, n: u32) -> u32 {
    let threshold = n.wrapping_neg().checked_rem(n).unwrap_or(0);
    loop {
        let product = u64::from(stream.next_u32()) * u64::from(n);
        if product as u32 >= threshold {
            return (product >> 32) as u32;
        }
    }
}

/// A permutation of `values` (Fisher and Yates); at most 2³² − 1 values.
pub fn shuffle<T>(stream: &mut Stream, values: &mut [T]) {
    for i in (1..values.len()).rev() {
        values.swap(i, below(stream, i as u32 + 1) as usize);
    }
}
