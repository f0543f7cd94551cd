//! The settings of the record's teachers, full and quick, and of what they are asked about. They
//! come from runs by validation with seeds from 101 on.

use compress_nn::data::Augmentation;
use serde::Serialize;

use crate::data::Shape;
use crate::experiments::rate::Rate;
use crate::run::Profile;

/// How the teachers are trained.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct TeacherSettings {
    /// Training images used, validation included; all of them where `None`.
    pub(super) limit: Option<usize>,
    /// The last so many training images are for validation.
    pub(super) validation: usize,
    /// How many teachers there are.
    pub(super) count: usize,
    /// Widths of a teacher's hidden layers.
    pub(super) hidden: [usize; 2],
    /// What the images are like.
    pub(super) shape: Shape,
    /// Images of a batch.
    pub(super) batch: usize,
    /// The share of the hidden neurons that a batch drops.
    pub(super) dropout: f32,
    /// The learning rate in the first and in the last epochs.
    pub(super) rates: [Rate; 2],
    /// Epochs with the full strength of augmentation, then with little, so that a teacher ends on
    /// images like those that it will be asked about.
    pub(super) epochs: [usize; 2],
    /// What a strength of 1 does to an image.
    pub(super) augmentation: Augmentation,
    /// The largest strength in the first and in the last epochs.
    pub(super) strengths: [f32; 2],
}

/// What the teachers are asked about, and students learn from: the transfer set.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct TransferSettings {
    /// Augmented copies of each training image, beside itself.
    pub(super) copies: usize,
    /// How they are augmented.
    pub(super) augmentation: Augmentation,
}

impl TransferSettings {
    /// For students that are to be small.
    pub(super) fn of(profile: Profile) -> Self {
        TransferSettings {
            copies: match profile {
                Profile::Full => 9,
                Profile::Quick => 1,
            },
            augmentation: TRANSFER,
        }
    }

    /// For students that have weights enough for images like those of the teachers.
    pub(super) fn strong(profile: Profile) -> Self {
        TransferSettings {
            augmentation: AUGMENTATION.with_max_strength(STRONGEST),
            ..Self::of(profile)
        }
    }

    /// In a line, for the report.
    pub(super) fn describe(&self) -> String {
        let Augmentation {
            max_strength,
            elastic,
            ..
        } = self.augmentation;
        let copies = self.copies;
        format!("{copies} of each image, by a strength up to {max_strength}, elastic {elastic}")
    }
}

impl TeacherSettings {
    /// In a line, for the report.
    pub(super) fn describe(&self) -> String {
        let TeacherSettings {
            count,
            hidden: [first_width, second_width],
            epochs: [strong, weak],
            strengths: [first, second],
            rates,
            ..
        } = self;
        let [rate, last] = rates.map(|rate| rate.describe());
        format!(
            "{count} of {first_width} and {second_width} hidden neurons, dropout {} by batches; {strong} epochs with augmentation up to {first}, learning rate {rate}; {weak} up to {second}, {last}",
            self.dropout
        )
    }

    /// The settings of a profile, for such images.
    pub(super) fn of(profile: Profile, shape: Shape) -> Self {
        let settings = match profile {
            Profile::Full => FULL,
            Profile::Quick => QUICK,
        };
        TeacherSettings { shape, ..settings }
    }
}

/// What the settings were chosen for.
const MNIST: Shape = Shape {
    height: 28,
    width: 28,
    classes: 10,
};

const FULL: TeacherSettings = TeacherSettings {
    limit: None,
    validation: 5_000,
    count: 2,
    hidden: [1200, 800],
    shape: MNIST,
    batch: 256,
    dropout: 0.3,
    rates: [Rate::new(1.2e-3, 0.1, 300), Rate::new(1.2e-4, 0.05, 0)],
    epochs: [68, 6],
    augmentation: AUGMENTATION,
    strengths: [STRONGEST, 0.7],
};

/// The largest strength that teachers see.
const STRONGEST: f32 = 1.3;

const QUICK: TeacherSettings = TeacherSettings {
    limit: Some(5_500),
    validation: 500,
    hidden: [100, 60],
    batch: 64,
    epochs: [6, 2],
    ..FULL
};

/// What small students see. Weaker, it lowered a small student's training errors, not its validation
/// errors (two seeds); stronger, at 1.4 and elastic 1.0, students of as many validation errors took
/// a tenth more bytes (five seeds of `pooled`, `docs/results/openings.md`).
const TRANSFER: Augmentation = Augmentation {
    elastic: 0.7,
    ..AUGMENTATION
};

/// More elastic: teachers see more than their students will.
const AUGMENTATION: Augmentation = Augmentation {
    min_strength: 0.0,
    max_strength: 1.0,
    rotation: 12.0,
    log_scale: 0.12,
    shear: 0.15,
    shift: 1.6,
    elastic: 1.2,
};
