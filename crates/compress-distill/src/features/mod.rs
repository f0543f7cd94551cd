//! Losses between what a layer of the student and one of the teacher give: hints, attention, and
//! relations between samples.
//!
//! Each is a function of two arrays ([`FeatureLoss`]). [`FeatureDistillation`] makes it a loss to
//! train with. A new one is one file here and one line in the registry.

mod arrays; // tidy: allow(what every loss checks)
mod attention_transfer;
mod contract; // tidy: allow(what a loss between features is)
mod distances; // tidy: allow(a helper of two losses)
mod distillation; // tidy: allow(makes losses to train with of all of them)
mod hint;
mod regressor; // tidy: allow(what a hint learns)
mod rkd_angle;
mod rkd_distance;
mod similarity;
mod teacher; // tidy: allow(where the teacher's features come from)

pub use attention_transfer::AttentionTransfer;
pub use contract::FeatureLoss;
pub use distillation::FeatureDistillation;
pub use hint::Hint;
pub use regressor::{Regressor, RegressorOptions};
pub use rkd_angle::RkdAngle;
pub use rkd_distance::RkdDistance;
pub use similarity::Similarity;
pub use teacher::{FeatureTeacher, teacher_features};

use compress_core::registry::{Named, look_up};

use crate::Result;

/// What losses between features are made from. Each loss takes what it needs.
#[derive(Clone)]
pub struct FeatureSettings {
    /// The regressor of a hint; none where student and teacher are equally wide.
    pub regressor: Option<Regressor>,
    /// The channels of the student's features; 1 for a dense layer.
    pub student_channels: usize,
    /// The channels of the teacher's features; 1 for a dense layer.
    pub teacher_channels: usize,
}

impl Default for FeatureSettings {
    /// Dense layers of the same width.
    fn default() -> Self {
        FeatureSettings {
            regressor: None,
            student_channels: 1,
            teacher_channels: 1,
        }
    }
}

/// Makes a loss of its settings.
pub type MakeFeatureLoss = fn(FeatureSettings) -> Result<Box<dyn FeatureLoss>>;

/// One line of [`FEATURE_LOSSES`].
#[derive(Clone, Copy)]
pub struct FeatureLossEntry {
    /// The loss's name.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Makes it.
    pub make: MakeFeatureLoss,
}

impl Named for FeatureLossEntry {
    fn name(&self) -> &'static str {
        self.name
    }
}

const fn entry(name: &'static str, about: &'static str, make: MakeFeatureLoss) -> FeatureLossEntry {
    FeatureLossEntry { name, about, make }
}

/// The losses between features, by name.
pub const FEATURE_LOSSES: &[FeatureLossEntry] = &[
    entry("hint", "squared distance, through a learned map", |s| {
        Ok(match s.regressor {
            Some(regressor) => Box::new(Hint::through(regressor)),
            None => Box::new(Hint::new()),
        })
    }),
    entry("attention_transfer", "distance of attention maps", |s| {
        let (student, teacher) = (s.student_channels, s.teacher_channels);
        Ok(Box::new(AttentionTransfer::new(student, teacher)?))
    }),
    entry("similarity", "which samples resemble each other", |_| {
        Ok(Box::new(Similarity))
    }),
    entry("rkd_distance", "distances between samples", |_| {
        Ok(Box::new(RkdDistance))
    }),
    entry("rkd_angle", "angles between three samples", |_| {
        Ok(Box::new(RkdAngle))
    }),
];

/// Makes the loss between features of this name.
///
/// # Errors
/// Where there is none (the error lists those that exist) or a setting is out of range.
///
/// # Examples
/// ```
/// use compress_distill::features::{FeatureSettings, feature_loss};
/// use ndarray::array;
///
/// let similarity = feature_loss("similarity", FeatureSettings::default())?;
/// // The same angles between the samples, however wide the layers are.
/// let (student, teacher) = (array![[1.0], [1.0]], array![[0.0, 3.0], [0.0, 3.0]]);
/// let (loss, gradient) = similarity.evaluate(student.view(), teacher.view())?;
/// assert!(loss < 1e-12 && gradient.iter().all(|g| g.abs() < 1e-12));
/// assert!(feature_loss("likeness", FeatureSettings::default()).is_err());
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn feature_loss(name: &str, settings: FeatureSettings) -> Result<Box<dyn FeatureLoss>> {
    (look_up("loss between features", FEATURE_LOSSES, name)?.make)(settings)
}
