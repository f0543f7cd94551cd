//! The cubic schedule of gradual pruning: fast at first, then ever slower.

use super::contract::{Schedule, between};

/// The cubic schedule of Zhu and Gupta for gradual pruning: fast at first, then ever slower. With sparsities sᵢ at the start and s_f
/// at the end, at step t of a period that begins at t₀ and has n prunings Δt steps apart, the
/// sparsity is:
///
/// ```text
/// s_t = s_f + (sᵢ − s_f) · (1 − (t − t₀) / (n·Δt))³
/// ```
///
/// # Examples
/// ```
/// use compress_prune::{Cubic, Schedule};
///
/// assert_eq!([0.0, 0.5, 1.0].map(|t| Cubic.density(1.0, 0.0, t)), [1.0, 0.125, 0.0]);
/// ```
///
/// # References
/// Zhu and Gupta 2017 (1710.01878), equation 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cubic;

impl Schedule for Cubic {
    fn name(&self) -> &'static str {
        "cubic"
    }

    fn density(&self, initial: f64, target: f64, elapsed: f64) -> f64 {
        let left = 1.0 - elapsed;
        between(initial, target, 1.0 - left * left * left)
    }
}
