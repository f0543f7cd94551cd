//! Exact selection of the k-th largest magnitude across tensors, without sorting.
//!
//! The bits of |x| as an integer are in the order of |x|. So the boundary is found digit by
//! digit, from the highest: count how often each digit occurs among the values that share the
//! digits found so far, and walk down from the largest until k values are covered. Three passes
//! of 11, 10 and 10 bits. Counts are integers, so neither the number of threads nor the order of
//! the blocks changes the result.
//!
//! # References
//! Alabi, Blanchard, Gordon, Steinbach 2012, *Fast k-selection algorithms for graphics
//! processing units*, section 3.1 (radix selection).

mod histogram;

#[cfg(test)]
mod tests;

use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::{Error, Result};
use histogram::{Digit, count};

/// The boundary between the `k` largest magnitudes and the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary {
    /// The k-th largest magnitude. Everything above it belongs to the k largest.
    pub magnitude: f32,
    /// How many values of exactly this magnitude belong to the k largest: the first ones, in
    /// the order of tensors and positions.
    pub ties_kept: usize,
}

/// Finds the boundary of the `k` largest magnitudes of all `tensors` together.
///
/// # Errors
/// Where `k` is 0 or more than there are values, or a value is NaN or infinite.
pub fn largest_magnitudes(tensors: &[&[f32]], k: usize) -> Result<Boundary> {
    let total: usize = tensors.iter().map(|t| t.len()).sum();
    if k == 0 || k > total {
        return Err(Error::invalid(
            "the number of values to keep",
            k,
            format!("1 to {total}"),
        ));
    }
    let mut rank = k as u64;
    let mut found = 0;
    for digit in Digit::ALL {
        let counts = count(tensors, digit, found);
        if digit == Digit::High && counts[Digit::NON_FINITE..].iter().any(|&c| c > 0) {
            return Err(non_finite(tensors));
        }
        let mut value = counts.len() - 1;
        while counts[value] < rank && value > 0 {
            rank -= counts[value];
            value -= 1;
        }
        found |= (value as u32) << digit.shift();
    }
    Ok(Boundary {
        magnitude: f32::from_bits(found),
        ties_kept: rank as usize,
    })
}

/// Writes true for each value among the largest, given the [`Boundary`] of all tensors. `keep`
/// holds a vector for each tensor, which is resized to the tensor's length. NaN is not kept.
///
/// # Errors
/// Where the numbers of tensors and of vectors differ.
pub fn keep_largest(tensors: &[&[f32]], boundary: Boundary, keep: &mut [Vec<bool>]) -> Result<()> {
    Error::check_shape("masks of a selection", &[tensors.len()], &[keep.len()])?;
    let isa = Isa::active()?;
    let mut ties = boundary.ties_kept;
    for (values, keep) in tensors.iter().zip(keep) {
        keep.clear();
        keep.resize(values.len(), false);
        ties -= keep_at(isa, values, boundary.magnitude, ties, keep);
    }
    Ok(())
}

by_level! {
    /// Marks what is above `magnitude` and the first `ties` values equal to it; returns how many
    /// of these there were, at most `ties`.
    fn keep_at(values: &[f32], magnitude: f32, ties: usize, keep: &mut [bool]) -> usize
        = keep_body;
}

#[inline(always)]
fn keep_body(values: &[f32], magnitude: f32, ties: usize, keep: &mut [bool]) -> usize {
    /// Values between two looks at the number of ties left; at most 255, so that a byte holds
    /// their number.
    const BLOCK: usize = 128;
    let mut left = ties;
    for (values, keep) in values.chunks(BLOCK).zip(keep.chunks_mut(BLOCK)) {
        let equal = values.iter().map(|v| u8::from(v.abs() == magnitude));
        let equal = usize::from(equal.fold(0u8, u8::wrapping_add));
        if equal <= left {
            left -= equal;
            for (keep, v) in keep.iter_mut().zip(values) {
                *keep = v.abs() >= magnitude;
            }
        } else {
            for (keep, v) in keep.iter_mut().zip(values) {
                let tie = v.abs() == magnitude && left > 0;
                left -= usize::from(tie);
                *keep = tie || v.abs() > magnitude;
            }
        }
    }
    ties - left
}

/// The error that names the first value that is not finite.
fn non_finite(tensors: &[&[f32]]) -> Error {
    let check =
        |(i, t): (usize, &&[f32])| Error::check_finite(&format!("tensor {i} of a selection"), t);
    let found = tensors.iter().enumerate().map(check).find_map(Result::err);
    found.unwrap_or(Error::Empty {
        what: "the selection".into(),
    })
}
