//! What a student is trained to reduce: on hard labels, on soft targets, on both.
//!
//! A new loss is one file here and one line in the registry.

mod checks; // tidy: allow(what every loss checks)
mod hard_labels;
mod joint;
mod soft_targets;

pub use hard_labels::HardLabels;
pub use joint::Joint;
pub use soft_targets::SoftTargets;

pub(crate) use checks::check_labels;

use compress_core::registry::{Named, look_up};
use compress_core::train::Loss;

use crate::{Result, Teacher};

/// What losses are made from. Each loss takes what it needs.
#[derive(Clone)]
pub struct LossSettings<'a> {
    /// Where the soft targets come from.
    pub teacher: Teacher<'a>,
    /// The temperature: logits are divided by it; positive.
    pub temperature: f32,
    /// The weight of the soft targets against the hard labels, from 0 to 1.
    pub soft_weight: f32,
}

/// Makes a loss of its settings.
pub type MakeLoss = for<'a> fn(LossSettings<'a>) -> Result<Box<dyn Loss + 'a>>;

/// One line of [`LOSSES`].
#[derive(Clone, Copy)]
pub struct LossEntry {
    /// The loss's name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Makes it.
    pub make: MakeLoss,
}

impl Named for LossEntry {
    fn name(&self) -> &'static str {
        self.name
    }
}

const fn entry(name: &'static str, about: &'static str, make: MakeLoss) -> LossEntry {
    LossEntry { name, about, make }
}

/// The losses, by name.
pub const LOSSES: &[LossEntry] = &[
    entry("hard_labels", "cross-entropy with the labels", |_| {
        Ok(Box::new(HardLabels))
    }),
    entry("soft_targets", "KL divergence from the teacher", |s| {
        Ok(Box::new(SoftTargets::new(s.teacher, s.temperature)?))
    }),
    entry("joint", "a weighted mean of both", |s| {
        Ok(Box::new(Joint::new(
            s.teacher,
            s.temperature,
            s.soft_weight,
        )?))
    }),
];

/// Makes the loss of this name.
///
/// # Errors
/// Where there is none (the error lists those that exist) or a setting is out of range.
///
/// # Examples
/// ```
/// use compress_distill::{LossSettings, Teacher, loss};
///
/// let teacher = Teacher::Cached(ndarray::array![[1.0, 2.0], [3.0, 0.5]]);
/// let settings = LossSettings { teacher, temperature: 4.0, soft_weight: 0.7 };
/// assert!(loss("joint", settings.clone()).is_ok());
/// assert!(loss("joined", settings).is_err());
/// ```
pub fn loss<'a>(name: &str, settings: LossSettings<'a>) -> Result<Box<dyn Loss + 'a>> {
    (look_up("loss", LOSSES, name)?.make)(settings)
}
