//! How the density moves from its initial to its final value while a model is trained.
//!
//! A new schedule is one file here and one line in the registry.

mod contract; // tidy: allow(what a schedule is)
mod cubic;
mod exponential;
mod iterative;
mod linear;
mod one_shot;

pub use contract::Schedule;
pub use cubic::Cubic;
pub use exponential::Exponential;
pub use iterative::Iterative;
pub use linear::Linear;
pub use one_shot::OneShot;

use compress_core::registry::{Named, look_up};

use crate::Result;

/// The settings of a schedule that is made by name. Each takes those that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleSettings {
    /// The rounds of [`Iterative`].
    pub rounds: usize,
}

impl Default for ScheduleSettings {
    /// As many rounds as [`Iterative`] has by default.
    fn default() -> Self {
        ScheduleSettings {
            rounds: Iterative::default().rounds,
        }
    }
}

/// One line of [`SCHEDULES`].
#[derive(Clone, Copy, Debug)]
pub struct ScheduleEntry {
    /// The schedule's name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Makes it.
    pub make: fn(&ScheduleSettings) -> Box<dyn Schedule>,
}

impl Named for ScheduleEntry {
    fn name(&self) -> &'static str {
        self.name
    }
}

const fn entry(
    name: &'static str,
    about: &'static str,
    make: fn(&ScheduleSettings) -> Box<dyn Schedule>,
) -> ScheduleEntry {
    ScheduleEntry { name, about, make }
}

/// The schedules, by name.
pub const SCHEDULES: &[ScheduleEntry] = &[
    entry("one_shot", "all at once", |_| Box::new(OneShot)),
    entry("cubic", "fast at first, then ever slower", |_| {
        Box::new(Cubic)
    }),
    entry("linear", "equally many weights in equal times", |_| {
        Box::new(Linear)
    }),
    entry(
        "exponential",
        "the same fraction of what is left in equal times",
        |_| Box::new(Exponential),
    ),
    entry(
        "iterative",
        "rounds that each prune the same fraction of what is left",
        |s| Box::new(Iterative { rounds: s.rounds }),
    ),
];

/// Makes the schedule of this name.
///
/// # Errors
/// Where there is none; the error lists those that exist.
///
/// # Examples
/// ```
/// let schedule = compress_prune::schedule("linear", &Default::default())?;
/// assert_eq!(schedule.density(1.0, 0.5, 0.5), 0.75);
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn schedule(name: &str, settings: &ScheduleSettings) -> Result<Box<dyn Schedule>> {
    Ok((look_up("schedule", SCHEDULES, name)?.make)(settings))
}
