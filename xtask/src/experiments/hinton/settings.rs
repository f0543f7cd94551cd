//! The settings, full and quick. They were chosen on validation images and seeds from 101 on.

use serde::Serialize;

use crate::experiments::rate::Rate;
use crate::run::Profile;
use crate::sweep::named;

/// Everything beside the rows and the seeds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Settings {
    pub(super) teacher: [usize; 2],
    pub(super) teacher_epochs: usize,
    pub(super) teacher_batch: usize,
    pub(super) teacher_rate: Rate,
    /// Of inputs and of hidden neurons.
    pub(super) dropout: [f32; 2],
    pub(super) max_norm: f32,
    /// The largest shift of an image along each axis, in pixels.
    pub(super) jitter: f32,
    pub(super) epochs: usize,
    pub(super) batch: usize,
    pub(super) rate: Rate,
    /// Weight of the teacher's answers; the labels have the rest.
    pub(super) soft_weight: f32,
}

const FULL: Settings = Settings {
    teacher: [1200, 1200],
    teacher_epochs: 150,
    teacher_batch: 256,
    teacher_rate: Rate::new(1e-3, 0.01, 300),
    dropout: [0.2, 0.5],
    max_norm: 2.0,
    jitter: 2.0,
    epochs: 60,
    batch: 256,
    rate: Rate::new(2e-3, 0.01, 200),
    soft_weight: 1.0,
};

const QUICK: Settings = Settings {
    teacher: [60, 60],
    teacher_epochs: 6,
    teacher_batch: 64,
    epochs: 2,
    batch: 64,
    ..FULL
};

impl Settings {
    /// Those of a profile.
    pub(super) fn of(profile: Profile) -> Self {
        profile.pick(FULL, QUICK)
    }

    /// Name and value of each, for the report.
    pub(super) fn describe(&self) -> Vec<(String, String)> {
        let [a, b] = self.teacher;
        let [inputs, hidden] = self.dropout;
        named([
            ("teacher: hidden neurons", format!("{a}-{b}")),
            (
                "teacher: epochs, images of a batch",
                format!("{}, {}", self.teacher_epochs, self.teacher_batch),
            ),
            ("teacher: learning rate", self.teacher_rate.describe()),
            (
                "teacher: dropout of inputs, of hidden neurons by batches",
                format!("{inputs}, {hidden}"),
            ),
            (
                "teacher: largest norm of a neuron's weights",
                self.max_norm.to_string(),
            ),
            (
                "teacher: images shifted by up to, in pixels",
                self.jitter.to_string(),
            ),
            (
                "student: epochs, images of a batch",
                format!("{}, {}", self.epochs, self.batch),
            ),
            ("student: learning rate", self.rate.describe()),
            (
                "student: weight of the teacher's answers",
                self.soft_weight.to_string(),
            ),
            ("mended biases", "moved together by tenths up to 20".into()),
        ])
    }
}
