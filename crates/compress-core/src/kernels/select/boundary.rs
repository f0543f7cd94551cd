//! The boundary of the largest magnitudes, found digit by digit.

use super::histogram::{Digit, count};

/// The boundary between the `k` largest magnitudes and the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary {
    /// The k-th largest magnitude. Everything above it belongs to the k largest.
    pub magnitude: f32,
    /// How many values of exactly this magnitude belong to the k largest: the first ones, in
    /// the order of tensors and positions.
    pub ties_kept: usize,
}

/// Digit by digit; none where a value is not finite. `k` is at least 1, and at most the number
/// of values.
pub(super) fn by_digits(tensors: &[&[f32]], k: usize) -> Option<Boundary> {
    let mut rank = k as u64;
    let mut found = 0;
    for digit in Digit::ALL {
        let counts = count(tensors, digit, found);
        if digit == Digit::High && counts[Digit::NON_FINITE..].iter().any(|&c| c > 0) {
            return None;
        }
        let mut value = counts.len() - 1;
        while counts[value] < rank && value > 0 {
            rank -= counts[value];
            value -= 1;
        }
        found |= (value as u32) << digit.shift();
    }
    Some(Boundary {
        magnitude: f32::from_bits(found),
        ties_kept: rank as usize,
    })
}
