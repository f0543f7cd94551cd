//! The exponential schedule: the same fraction of what is left in equal times.

use compress_core::ops::power::power;

use super::contract::{Schedule, check_positive};
use crate::Result;

/// Prunes the same fraction of what is left in equal times: with densities dᵢ at the start and d_f at
/// the end, the density at the fraction t of the pruning period is dᵢ · (d_f / dᵢ)ᵗ. It is the limit
/// of [`crate::Iterative`] for many rounds.
///
/// # Errors
/// In [`Schedule::check`]: where the final density is 0.
///
/// # Examples
/// ```
/// use compress_prune::{Exponential, Schedule};
///
/// assert_eq!([0.0, 0.5, 1.0].map(|t| Exponential.density(1.0, 0.25, t)), [1.0, 0.5, 0.25]);
/// ```
///
/// # References
/// Renda, Frankle, Carbin 2020 (2003.02389): iterative pruning, of 20 % of what is left in each
/// round; here with rounds that become ever shorter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exponential;

impl Schedule for Exponential {
    fn name(&self) -> &'static str {
        "exponential"
    }

    fn check(&self, _: f64, target: f64) -> Result<()> {
        check_positive(self.name(), target)
    }

    fn density(&self, initial: f64, target: f64, elapsed: f64) -> f64 {
        if elapsed >= 1.0 {
            return target;
        }
        initial * power(target / initial, elapsed)
    }
}
