//! The contract of schedules.

use crate::{Error, Result};

/// How the density moves over a pruning period.
pub trait Schedule {
    /// Its name in registries and reports.
    fn name(&self) -> &'static str;

    /// Fails where this schedule cannot go from the density `initial` to `target`, so that a run
    /// fails before it begins.
    ///
    /// # Errors
    /// Says what it can do.
    fn check(&self, initial: f64, target: f64) -> Result<()> {
        let _ = (initial, target);
        Ok(())
    }

    /// The density when the fraction `elapsed`, from 0 to 1, of the pruning period lies behind, on
    /// the way from `initial` down to `target`. Never rises as `elapsed` grows; exactly `target` at
    /// the end.
    fn density(&self, initial: f64, target: f64, elapsed: f64) -> f64;
}

/// The density on the straight line from `initial` to `target`, after the fraction `advance` of the
/// way.
pub(super) fn between(initial: f64, target: f64, advance: f64) -> f64 {
    if advance >= 1.0 {
        return target;
    }
    (target - initial).mul_add(advance, initial)
}

/// Fails where the final density is 0, which no number of multiplications reaches.
pub(super) fn check_positive(schedule: &'static str, target: f64) -> Result<()> {
    match target > 0.0 {
        true => Ok(()),
        false => {
            let what = format!("the final density of the schedule {schedule}");
            let expected = "above 0: it multiplies what is left";
            Err(Error::Core(compress_core::Error::invalid(
                what, target, expected,
            )))
        }
    }
}
