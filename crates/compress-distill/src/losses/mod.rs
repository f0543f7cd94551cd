//! What a student is trained to reduce: on hard labels, on soft targets, on both.
//!
//! A new loss is one file here and one line in the registry. One that compares the logits of
//! student and teacher implements [`LogitLoss`], which [`TeacherLoss`] makes a loss for training.

mod checks; // tidy: allow(what every loss checks)
mod dist;
mod dkd;
mod forward_kl;
mod hard_labels;
mod jensen_shannon;
mod joint;
mod label_smoothing;
mod logit_loss; // tidy: allow(the contract of losses between logits)
mod logit_mse;
mod reverse_kl;
mod soft_targets;
mod softened; // tidy: allow(probabilities that several losses compare)
mod standardized_logits;
mod teacher_loss; // tidy: allow(makes a loss for training of one between logits)
mod weighted_sum; // tidy: allow(made of other losses)

pub use dist::Dist;
pub use dkd::Dkd;
pub use forward_kl::ForwardKl;
pub use hard_labels::HardLabels;
pub use jensen_shannon::JensenShannon;
pub use joint::Joint;
pub use label_smoothing::LabelSmoothing;
pub use logit_loss::{LogitBatch, LogitLoss};
pub use logit_mse::LogitMse;
pub use reverse_kl::ReverseKl;
pub use soft_targets::SoftTargets;
pub use standardized_logits::StandardizedLogits;
pub use teacher_loss::TeacherLoss;
pub use weighted_sum::WeightedSum;

pub(crate) use checks::check_labels;

use compress_core::registry::{Named, look_up};
use compress_core::train::Loss;

use crate::{Result, Teacher, Temperature};

/// What losses are made from. Each loss takes what it needs, and its own default for what is not
/// given.
#[derive(Clone)]
pub struct LossSettings<'a> {
    /// Where the soft targets come from.
    pub teacher: Teacher<'a>,
    /// The temperature: logits are divided by it; positive.
    pub temperature: Option<Temperature>,
    /// The weight of the soft targets against the hard labels, from 0 to 1. Default: 0.7.
    pub soft_weight: Option<f32>,
    /// α of [`Dkd`].
    pub alpha: Option<f32>,
    /// β of [`Dkd`], [`Dist`] and [`JensenShannon`].
    pub beta: Option<f32>,
    /// γ of [`Dist`].
    pub gamma: Option<f32>,
    /// ε of [`LabelSmoothing`].
    pub smoothing: Option<f32>,
}

impl<'a> LossSettings<'a> {
    /// A teacher, and the defaults of each loss.
    pub fn new(teacher: Teacher<'a>) -> Self {
        LossSettings {
            teacher,
            temperature: None,
            soft_weight: None,
            alpha: None,
            beta: None,
            gamma: None,
            smoothing: None,
        }
    }
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
        let temperature = s.temperature.unwrap_or(ForwardKl::default().temperature);
        Ok(Box::new(SoftTargets::new(s.teacher, temperature)?))
    }),
    entry("joint", "a weighted mean of both", |s| {
        let temperature = s.temperature.unwrap_or(ForwardKl::default().temperature);
        let soft_weight = s.soft_weight.unwrap_or(0.7);
        Ok(Box::new(Joint::new(s.teacher, temperature, soft_weight)?))
    }),
    entry(
        "label_smoothing",
        "cross-entropy with smoothed labels",
        |s| {
            let default = LabelSmoothing::default();
            Ok(Box::new(
                s.smoothing.map_or(Ok(default), LabelSmoothing::new)?,
            ))
        },
    ),
    entry("logit_mse", "squared distance of the logits", |s| {
        with(s.teacher, LogitMse)
    }),
    entry("reverse_kl", "KL divergence from the student", |s| {
        let temperature = s.temperature.unwrap_or(ReverseKl::default().temperature);
        with(s.teacher, ReverseKl { temperature })
    }),
    entry(
        "jensen_shannon",
        "divergence of both from their mean",
        |s| {
            let default = JensenShannon::default();
            let loss = JensenShannon {
                beta: s.beta.unwrap_or(default.beta),
                temperature: s.temperature.unwrap_or(default.temperature),
            };
            with(s.teacher, loss)
        },
    ),
    entry("dkd", "target and other classes weighted apart", |s| {
        let default = Dkd::default();
        let loss = Dkd {
            alpha: s.alpha.unwrap_or(default.alpha),
            beta: s.beta.unwrap_or(default.beta),
            temperature: s.temperature.unwrap_or(default.temperature),
        };
        with(s.teacher, loss)
    }),
    entry("dist", "correlation between and within classes", |s| {
        let default = Dist::default();
        let loss = Dist {
            beta: s.beta.unwrap_or(default.beta),
            gamma: s.gamma.unwrap_or(default.gamma),
            temperature: s.temperature.unwrap_or(default.temperature),
        };
        with(s.teacher, loss)
    }),
    entry("standardized_logits", "KL divergence of z-scores", |s| {
        let default = StandardizedLogits::default().loss;
        let temperature = s.temperature.unwrap_or(default.temperature);
        with(
            s.teacher,
            StandardizedLogits {
                loss: ForwardKl { temperature },
            },
        )
    }),
];

/// A loss between logits, made one for training.
fn with<'a>(teacher: Teacher<'a>, loss: impl LogitLoss + 'a) -> Result<Box<dyn Loss + 'a>> {
    Ok(Box::new(TeacherLoss::new(teacher, loss)?))
}

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
/// let settings = LossSettings { soft_weight: Some(0.5), ..LossSettings::new(teacher) };
/// assert!(loss("joint", settings.clone()).is_ok());
/// assert!(loss("joined", settings).is_err());
/// ```
pub fn loss<'a>(name: &str, settings: LossSettings<'a>) -> Result<Box<dyn Loss + 'a>> {
    (look_up("loss", LOSSES, name)?.make)(settings)
}
