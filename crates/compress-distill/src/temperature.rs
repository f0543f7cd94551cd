//! The temperature of a loss, constant or changing over the epochs of a run.

use std::f64::consts::PI;
use std::ops::Range;

use compress_core::ops::trigonometry::cos;

use crate::Result;
use crate::error::check_temperature;

/// What a loss divides logits by, in each epoch. A number is a constant temperature.
///
/// `epochs` are those of the run, as [`compress_core::train::Batch::epoch`] counts them. The first
/// has the temperature `from` and the last has `to`, as have those before and after. A run of one
/// epoch has `from`.
///
/// # Examples
/// ```
/// use compress_distill::Temperature;
///
/// let annealed = Temperature::Linear { from: 10.0, to: 1.0, epochs: 0..4 };
/// assert_eq!([0, 1, 2, 3, 4].map(|epoch| annealed.at(epoch)), [10.0, 7.0, 4.0, 1.0, 1.0]);
/// assert_eq!(Temperature::from(4.0).at(7), 4.0);
/// ```
///
/// # References
/// Jafari et al. 2021 (2104.07163), section 3, lower the temperature step by step to 1. Li et al.
/// 2022 (2211.16231), section 3, raise the difficulty of a curriculum along a cosine.
#[derive(Clone, Debug, PartialEq)]
pub enum Temperature {
    /// The same in each epoch.
    Constant(f32),
    /// Along a line.
    Linear {
        /// In the first epoch.
        from: f32,
        /// In the last epoch.
        to: f32,
        /// The epochs of the run.
        epochs: Range<u64>,
    },
    /// Along half a cosine: slowly at both ends.
    Cosine {
        /// In the first epoch.
        from: f32,
        /// In the last epoch.
        to: f32,
        /// The epochs of the run.
        epochs: Range<u64>,
    },
}

impl From<f32> for Temperature {
    fn from(temperature: f32) -> Self {
        Temperature::Constant(temperature)
    }
}

impl Temperature {
    /// Fails unless it is positive and finite in each epoch.
    pub fn validate(&self) -> Result<()> {
        match self {
            Temperature::Constant(temperature) => check_temperature(*temperature),
            Temperature::Linear { from, to, .. } | Temperature::Cosine { from, to, .. } => {
                check_temperature(*from)?;
                check_temperature(*to)
            }
        }
    }

    /// The temperature in this epoch.
    pub fn at(&self, epoch: u64) -> f32 {
        match self {
            Temperature::Constant(temperature) => *temperature,
            Temperature::Linear { from, to, epochs } => between(*from, *to, passed(epoch, epochs)),
            Temperature::Cosine { from, to, epochs } => {
                let share = 0.5 - 0.5 * cos(PI * passed(epoch, epochs));
                between(*from, *to, share)
            }
        }
    }
}

/// The share of the way from the first to the last of `epochs`, from 0 to 1.
fn passed(epoch: u64, epochs: &Range<u64>) -> f64 {
    let steps = epochs.end.saturating_sub(epochs.start).saturating_sub(1);
    let done = epoch.saturating_sub(epochs.start).min(steps);
    done as f64 / steps.max(1) as f64
}

/// In f64, where the difference of two numbers of f32 does not overflow.
fn between(from: f32, to: f32, share: f64) -> f32 {
    let (from, to) = (f64::from(from), f64::from(to));
    (from + (to - from) * share) as f32
}
