//! What a student is trained to reduce: on hard labels, on soft targets, on both.
//!
//! A new loss is one file here and one line in the registry.

mod hard_labels;
mod joint;
mod soft_targets;

pub use hard_labels::HardLabels;
pub use joint::Joint;
pub use soft_targets::SoftTargets;

use compress_core::ops::{elementwise, softmax};
use compress_core::train::{Batch, Loss};
use compress_core::{Error as CoreError, Result as CoreResult};
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::{Error, Result, Teacher};

/// What a loss may be made of; each takes what it needs.
#[derive(Clone)]
pub struct LossSettings<'a> {
    /// What soft targets come from.
    pub teacher: Teacher<'a>,
    /// What logits are divided by; positive.
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

/// The loss of this name.
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

/// Writes ln softmax(logits / temperature) into `out`; after `read` has seen it, its exponential.
/// So probabilities are the exponential of the very logarithms that the loss is made of, and a
/// student that equals its teacher gets a gradient of exactly zero.
fn probabilities<T>(
    logits: ArrayView2<'_, f32>,
    temperature: f32,
    out: &mut ArrayViewMut2<'_, f32>,
    read: impl FnOnce(ArrayView2<'_, f32>) -> CoreResult<T>,
) -> CoreResult<T> {
    softmax::log_softmax(logits, temperature, out.view_mut())?;
    let result = read(out.view())?;
    elementwise::exp(out.as_slice_mut().unwrap_or_default())?;
    Ok(result)
}

/// The mean over `rows` of a sum, as long as it is a number.
fn mean(sum: f64, rows: usize) -> Result<f32> {
    let value = sum / rows as f64;
    if value.is_finite() {
        Ok(value as f32)
    } else {
        Err(Error::Diverged { value })
    }
}

/// Fails unless each row has a label that names a class.
fn check_labels(batch: &Batch<'_>, rows: usize, classes: usize) -> Result<()> {
    if batch.labels.len() != rows {
        return Err(Error::LabelsMissing {
            samples: rows,
            labels: batch.labels.len(),
        });
    }
    check_classes(batch.labels, classes, |row| {
        batch.indices.get(row).copied().unwrap_or(row)
    })
}

/// Fails at the first label that names no class; `index` says which sample is meant by a row.
pub(crate) fn check_classes(
    labels: &[u32],
    classes: usize,
    index: impl Fn(usize) -> usize,
) -> Result<()> {
    match labels.iter().position(|&label| label as usize >= classes) {
        None => Ok(()),
        Some(row) => Err(CoreError::Label {
            index: index(row),
            label: labels[row],
            classes,
        }
        .into()),
    }
}
