//! The sum of what was read, in plain code.

/// The wrapping sum.
pub(super) fn wrapping_sum(data: &[u64]) -> u64 {
    data.iter().fold(0, |sum, value| sum.wrapping_add(*value))
}
