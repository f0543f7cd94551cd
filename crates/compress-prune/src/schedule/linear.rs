//! The linear schedule: equally many weights in equal times.

use super::contract::{Schedule, between};

/// Prunes equally many weights in equal times.
///
/// # Examples
/// ```
/// use compress_prune::{Linear, Schedule};
///
/// assert_eq!([0.0, 0.5, 1.0].map(|t| Linear.density(1.0, 0.25, t)), [1.0, 0.625, 0.25]);
/// ```
///
/// # References
/// The polynomial schedule of Zhu and Gupta 2017 (1710.01878), equation 1, with the exponent 1 in
/// place of 3.
#[derive(Clone, Copy, Debug, Default)]
pub struct Linear;

impl Schedule for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn density(&self, initial: f64, target: f64, elapsed: f64) -> f64 {
        between(initial, target, elapsed)
    }
}
