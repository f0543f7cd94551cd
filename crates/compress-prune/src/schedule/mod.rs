//! How the density moves from its initial to its final value while a model is trained.
//!
//! A new schedule is one file here and one line in the registry.

mod contract; // tidy: allow(what a schedule is)
mod cubic;
mod one_shot;

pub use contract::Schedule;
pub use cubic::Cubic;
pub use one_shot::OneShot;

use compress_core::registry::{Named, look_up};

use crate::Result;

/// One line of [`SCHEDULES`].
#[derive(Clone, Copy, Debug)]
pub struct ScheduleEntry {
    /// The schedule's name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Makes it.
    pub make: fn() -> Box<dyn Schedule>,
}

impl Named for ScheduleEntry {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// The schedules, by name.
pub const SCHEDULES: &[ScheduleEntry] = &[
    ScheduleEntry {
        name: "one_shot",
        about: "all at once",
        make: || Box::new(OneShot),
    },
    ScheduleEntry {
        name: "cubic",
        about: "fast at first, then ever slower",
        make: || Box::new(Cubic),
    },
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
    Ok((look_up("schedule", SCHEDULES, name)?.make)())
}
