//! The contract of schedules.

/// How the density moves over a pruning period.
pub trait Schedule {
    /// Its name in registries and reports.
    fn name(&self) -> &'static str;

    /// How far the density is on its way from the initial (0) to the final one (1), when the
    /// fraction `elapsed`, from 0 to 1, of the pruning period lies behind. Never falls as
    /// `elapsed` grows; 1 at the end.
    fn advance(&self, elapsed: f64) -> f64;
}
