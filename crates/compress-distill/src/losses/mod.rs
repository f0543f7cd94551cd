//! What a student is trained to reduce: on hard labels, on soft targets, on both.
//!
//! A new loss is one file here and one line in the registry.

mod hard_labels;
mod joint;
mod soft_targets;

pub use hard_labels::HardLabels;
pub use joint::Joint;
pub use soft_targets::SoftTargets;

use compress_core::train::Loss;
use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::{Error, Result, Teacher};

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

/// The losses, by name.
pub const LOSSES: &[(&str, MakeLoss)] = &[
    ("hard_labels", |_| Ok(Box::new(HardLabels))),
    ("soft_targets", |s| {
        Ok(Box::new(SoftTargets::new(s.teacher, s.temperature)?))
    }),
    ("joint", |s| {
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
    match LOSSES.iter().find(|(known, _)| *known == name) {
        Some((_, make)) => make(settings),
        None => Err(Error::UnknownLoss {
            name: name.to_owned(),
            known: LOSSES
                .iter()
                .map(|(n, _)| *n)
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// Fails unless the batch has rows and the gradient is as the logits, contiguous and row-major.
fn check_batch(logits: ArrayView2<'_, f32>, gradient: &ArrayViewMut2<'_, f32>) -> CoreResult<()> {
    if logits.is_empty() {
        let what = "the batch".into();
        return Err(CoreError::Empty { what });
    }
    CoreError::check_shape("gradient of a loss", logits.shape(), gradient.shape())?;
    if gradient.is_standard_layout() {
        Ok(())
    } else {
        let expected = "contiguous and row-major";
        Err(CoreError::invalid(
            "gradient of a loss",
            "strided",
            expected,
        ))
    }
}

/// The loss as f32; an error where it is not finite.
fn finite(value: f64) -> Result<f32> {
    if value.is_finite() {
        Ok(value as f32)
    } else {
        Err(Error::Diverged { value })
    }
}

/// Fails unless each of `samples` has a label that names a class. `indices` are the samples'
/// positions in the data; empty where they are all of it.
pub(crate) fn check_labels(
    labels: &[u32],
    indices: &[usize],
    samples: usize,
    classes: usize,
) -> Result<()> {
    if labels.len() != samples {
        let labels = labels.len();
        return Err(Error::LabelsMissing { samples, labels });
    }
    Ok(CoreError::check_labels(labels, indices, classes)?)
}
