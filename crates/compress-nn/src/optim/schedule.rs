//! Learning rate schedules: how the rate moves over a run.

use std::f64::consts::PI;

use compress_core::Result;
use compress_core::ops::trigonometry::cos;
use serde::{Deserialize, Serialize};

use crate::ranges::{at_least_one, check, positive};

/// How the learning rate falls from its peak, after the warm-up (see [`crate::Settings`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    /// Not at all: a constant rate.
    #[default]
    Constant,
    /// Step schedule: multiplied by `factor` after every `every_epochs` epochs.
    Step {
        /// At least 1.
        every_epochs: usize,
        /// Positive; usually below 1.
        factor: f32,
    },
    /// Cosine schedule (cosine annealing): along half a cosine, from the peak at the end of the
    /// warm-up to `floor` times the peak at the end of the run.
    ///
    /// # References
    /// Loshchilov and Hutter, *SGDR*, 1608.03983, equation 5, without restarts.
    Cosine {
        /// The fraction of the peak that is left at the end, from 0 to 1.
        floor: f32,
    },
}

impl Schedule {
    /// Fails where a field is out of its range.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Schedule::Constant => Ok(()),
            Schedule::Step {
                every_epochs,
                factor,
            } => {
                at_least_one("schedule.every_epochs", every_epochs)?;
                positive("schedule.factor", factor)
            }
            Schedule::Cosine { floor } => {
                let fine = (0.0..=1.0).contains(&floor);
                check(fine, "schedule.floor", floor, "from 0 to 1")
            }
        }
    }
}

/// The learning rate of each step of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) schedule: Schedule,
    pub(crate) peak: f32,
    pub(crate) warm_up_steps: usize,
    pub(crate) total_steps: usize,
}

impl Rates {
    /// The rate of step `step` from 0, in epoch `epoch` from 0.
    pub(crate) fn at(&self, epoch: usize, step: usize) -> f32 {
        let peak = f64::from(self.peak);
        let rate = if step < self.warm_up_steps {
            peak * (step + 1) as f64 / self.warm_up_steps as f64
        } else {
            peak * self.fraction(epoch, step)
        };
        rate as f32
    }

    /// The fraction of the peak after the warm-up.
    fn fraction(&self, epoch: usize, step: usize) -> f64 {
        match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Step {
                every_epochs,
                factor,
            } => (0..epoch / every_epochs).fold(1.0, |rate, _| rate * f64::from(factor)),
            Schedule::Cosine { floor } => {
                let length = self.total_steps.saturating_sub(self.warm_up_steps).max(1);
                let passed = (step - self.warm_up_steps) as f64 / length as f64;
                let floor = f64::from(floor);
                floor + (1.0 - floor) * 0.5 * (1.0 + cos(PI * passed.min(1.0)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, warm_up_steps: usize) -> Rates {
        Rates {
            schedule,
            peak: 0.5,
            warm_up_steps,
            total_steps: 100,
        }
    }

    #[test]
    fn warm_up_rises_to_the_peak() {
        let rates = rates(Schedule::Constant, 4);
        let first: Vec<f32> = (0..6).map(|step| rates.at(0, step)).collect();
        assert_eq!(first, [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]);
        assert_eq!(rates.at(9, 99), 0.5);
    }

    #[test]
    fn cosine_begins_at_the_peak_and_ends_at_the_floor() {
        let rates = rates(Schedule::Cosine { floor: 0.1 }, 20);
        assert_eq!(rates.at(0, 20), 0.5);
        assert!((rates.at(0, 60) - 0.275).abs() < 1e-7);
        assert!((rates.at(0, 100) - 0.05).abs() < 1e-7);
        let last = rates.at(0, 99);
        assert!(last > 0.05 && last < 0.0503, "{last}");
    }

    #[test]
    fn steps_multiply_every_few_epochs() {
        let schedule = Schedule::Step {
            every_epochs: 3,
            factor: 0.5,
        };
        let rates = rates(schedule, 0);
        let by_epoch: Vec<f32> = (0..7).map(|epoch| rates.at(epoch, 10 * epoch)).collect();
        assert_eq!(by_epoch, [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]);
    }

    #[test]
    fn a_warm_up_longer_than_the_run_is_no_division_by_zero() {
        let rates = rates(Schedule::Cosine { floor: 0.0 }, 200);
        assert_eq!(rates.at(0, 99), 0.25);
        assert!(rates.at(0, 200).is_finite());
    }
}
