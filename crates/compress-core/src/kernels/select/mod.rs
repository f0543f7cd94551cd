//! Selection for pruning: the k-th largest magnitude across tensors, exactly and without sorting;
//! thresholds, masks and N:M patterns, in place or as marks.
//!
//! The bits of |x| as an integer are in the order of |x|. So the boundary is found digit by
//! digit, from the highest: count how often each digit occurs among the values that share the
//! digits found so far, and walk down from the largest until k values are covered. Three passes
//! of 11, 10 and 10 bits. Counts are integers, so neither the number of threads nor the order of
//! the blocks changes the result.
//!
//! From 2²⁰ values on, a sample of 2¹⁶ first says between which magnitudes the boundary is
//! expected. One pass then counts the values above that interval and collects those within it,
//! which are searched by digits. The sample affects only the time: the counts are exact, and if the
//! boundary is not in the interval, the three passes follow.
//!
//! # Speed
//!
//! The floor is the memory that is read and written. Reached for 4096×4096 on two threads of a
//! Zen 5, medians in ms of several runs of `cargo bench -p compress-benches --bench select` and
//! `cargo xtask bench prune`, in which copying 67 MB to 67 MB took from 1.2 to 2.7: threshold in
//! place 1.4 to 2.0; 2:4 in place 1.6 to 1.8, as marks 1.8; 4:8 in place 4.2 to 4.4, 8:16 17 to 18;
//! the boundary of the 10 % largest 4.8 to 5.1, marking these 3.2 to 3.3, or zeroing the rest 1.2
//! to 1.6.
//!
//! Tried, and not kept, as several times slower: 2:4 by the loop that serves 4:8 and 8:16, which
//! sorts the values of 16 groups into lanes.
//!
//! # References
//! Alabi, Blanchard, Gordon, Steinbach 2012, *Fast k-selection algorithms for graphics
//! processing units*, section 3.1 (radix selection).

mod boundary;
mod histogram;
mod n_of_m;
mod narrow;
mod threshold;

#[cfg(test)]
mod tests;

pub use self::boundary::Boundary;
pub use self::n_of_m::{NOfM, keep_n_of_m, keep_n_of_m_at, zero_n_of_m, zero_n_of_m_at};
pub use self::threshold::{zero_below, zero_below_at};

use rayon::prelude::*;

use self::boundary::by_digits;
use self::threshold::BLOCK;
use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::{Error, Result};

/// Finds the boundary of the `k` largest magnitudes of all `tensors` together.
///
/// # Errors
/// Where `k` is 0 or more than there are values, or a value is NaN or infinite.
pub fn largest_magnitudes(tensors: &[&[f32]], k: usize) -> Result<Boundary> {
    largest_magnitudes_at(Isa::active()?, tensors, k)
}

/// As [`largest_magnitudes`], at a given level.
///
/// # Errors
/// As [`largest_magnitudes`].
pub fn largest_magnitudes_at(isa: Isa, tensors: &[&[f32]], k: usize) -> Result<Boundary> {
    let total: usize = tensors.iter().map(|t| t.len()).sum();
    if k == 0 || k > total {
        return Err(Error::invalid(
            "the number of values to keep",
            k,
            format!("1 to {total}"),
        ));
    }
    let narrowed = if total < narrow::WORTHWHILE {
        None
    } else {
        narrow::select(isa, tensors, k)
    };
    let boundary = narrowed.or_else(|| by_digits(tensors, k));
    boundary.ok_or_else(|| non_finite(tensors))
}

/// Writes true for each value among the largest, given the [`Boundary`] of all tensors. `keep`
/// holds a vector for each tensor, which is resized to the tensor's length. NaN is not kept.
///
/// # Errors
/// Where the numbers of tensors and of vectors differ.
pub fn keep_largest(tensors: &[&[f32]], boundary: Boundary, keep: &mut [Vec<bool>]) -> Result<()> {
    Error::check_shape("masks of a selection", &[tensors.len()], &[keep.len()])?;
    keep_largest_at(Isa::active()?, tensors, boundary, keep);
    Ok(())
}

fn keep_largest_at(isa: Isa, tensors: &[&[f32]], boundary: Boundary, keep: &mut [Vec<bool>]) {
    let magnitude = boundary.magnitude;
    let mut ties = 0;
    for (values, keep) in tensors.iter().zip(&mut *keep) {
        keep.resize(values.len(), false);
        let blocks = values.par_chunks(BLOCK).zip(keep.par_chunks_mut(BLOCK));
        ties += blocks
            .map(|(values, keep)| mark_at(isa, values, magnitude, keep))
            .sum::<usize>();
    }
    // Those marked last do not belong to the largest.
    let mut surplus = ties.saturating_sub(boundary.ties_kept);
    for (values, keep) in tensors.iter().zip(keep).rev() {
        for (value, keep) in values.iter().zip(keep).rev() {
            if surplus == 0 {
                return;
            }
            let tie = value.abs() == magnitude;
            *keep &= !tie;
            surplus -= usize::from(tie);
        }
    }
}

/// Sets to +0 each value that is not among the largest, given the [`Boundary`] of all tensors:
/// in place what [`keep_largest`] marks, but that NaN stays.
///
/// # Errors
/// Where `COMPRESS_ISA` asks for what the machine lacks.
pub fn zero_smaller(tensors: &mut [&mut [f32]], boundary: Boundary) -> Result<()> {
    zero_smaller_at(Isa::active()?, tensors, boundary);
    Ok(())
}

/// As [`zero_smaller`], at a given level.
pub fn zero_smaller_at(isa: Isa, tensors: &mut [&mut [f32]], boundary: Boundary) {
    let magnitude = boundary.magnitude;
    let zero = |tensor: &mut &mut [f32]| threshold::count_ties(isa, tensor, magnitude);
    let ties: usize = tensors.iter_mut().map(zero).sum();
    let mut surplus = ties.saturating_sub(boundary.ties_kept);
    for value in tensors.iter_mut().flat_map(|t| t.iter_mut()).rev() {
        if surplus == 0 {
            return;
        }
        if value.abs() == magnitude {
            *value = 0.0;
            surplus -= 1;
        }
    }
}

by_level! {
    /// Marks what is at least `magnitude`; returns how many equal it.
    fn mark_at(values: &[f32], magnitude: f32, keep: &mut [bool]) -> usize = mark;
}

#[inline(always)]
fn mark(values: &[f32], magnitude: f32, keep: &mut [bool]) -> usize {
    let mut ties = 0u32;
    for (keep, x) in keep.iter_mut().zip(values) {
        ties += u32::from(x.abs() == magnitude);
        *keep = x.abs() >= magnitude;
    }
    ties as usize
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
