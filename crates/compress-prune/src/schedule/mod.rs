//! How the density moves from its initial to its final value while a network is trained.
//!
//! A new schedule is one file here and one line in the registry.

mod cubic;
mod one_shot;

pub use cubic::Cubic;
pub use one_shot::OneShot;

use crate::Result;
use crate::error::look_up;

/// How the density moves over a pruning period.
pub trait Schedule {
    /// Its name in registries and reports.
    fn name(&self) -> &'static str;

    /// How far the density is on its way from the initial (0) to the final one (1), when the
    /// fraction `elapsed`, from 0 to 1, of the pruning period lies behind. Never falls as
    /// `elapsed` grows; 1 at the end.
    fn advance(&self, elapsed: f64) -> f64;
}

/// Makes a schedule.
pub type MakeSchedule = fn() -> Box<dyn Schedule>;

/// The schedules, by name.
pub const SCHEDULES: &[(&str, MakeSchedule)] = &[
    ("one_shot", || Box::new(OneShot)),
    ("cubic", || Box::new(Cubic)),
];

/// Makes the schedule of this name.
///
/// # Errors
/// Where there is none; the error lists those that exist.
///
/// # Examples
/// ```
/// assert_eq!(compress_prune::schedule("cubic")?.advance(0.5), 0.875);
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn schedule(name: &str) -> Result<Box<dyn Schedule>> {
    Ok(look_up("schedule", SCHEDULES, name)?())
}
