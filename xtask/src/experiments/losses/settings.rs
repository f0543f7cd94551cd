//! The settings, full and quick. They were chosen on validation images and seeds from 101 on, and
//! with them the weights in `rows.rs`.

use serde::Serialize;

use crate::experiments::rate::Rate;
use crate::run::Profile;
use crate::sweep::StageError;

/// Everything beside the losses and the seeds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Settings {
    pub(super) teacher: [usize; 2],
    pub(super) teacher_epochs: usize,
    pub(super) teacher_dropout: f32,
    pub(super) teacher_rate: Rate,
    pub(super) student: [usize; 2],
    pub(super) epochs: usize,
    pub(super) batch: usize,
    pub(super) rate: Rate,
    pub(super) test_limit: Option<usize>,
}

const FULL: Settings = Settings {
    teacher: [1000, 300],
    teacher_epochs: 20,
    teacher_dropout: 0.25,
    teacher_rate: Rate::new(1.2e-3, 0.02, 300),
    student: [300, 100],
    epochs: 30,
    batch: 128,
    rate: Rate::new(1e-3, 0.02, 200),
    test_limit: None,
};

const QUICK: Settings = Settings {
    teacher: [60, 30],
    teacher_epochs: 6,
    student: [30, 20],
    epochs: 2,
    batch: 64,
    test_limit: Some(1_000),
    ..FULL
};

impl Settings {
    /// Those of a profile.
    pub(super) fn of(profile: Profile) -> Self {
        match profile {
            Profile::Full => FULL,
            Profile::Quick => QUICK,
        }
    }

    /// How wide a hidden layer of the student is.
    pub(super) fn width(&self, layer: &str) -> Result<usize, StageError> {
        let number = layer.strip_prefix("layers.").and_then(|n| n.parse().ok());
        let width = number.and_then(|n: usize| self.student.get(n)).copied();
        width.ok_or_else(|| format!("the student has no hidden layer {layer}").into())
    }

    /// Name and value of each, for the report.
    pub(super) fn describe(&self) -> Vec<(String, String)> {
        let widths = |[a, b]: [usize; 2]| format!("{a}-{b}");
        let rows = [
            ("teacher: hidden neurons", widths(self.teacher)),
            (
                "teacher: epochs on augmented images, dropout",
                format!("{}, {}", self.teacher_epochs, self.teacher_dropout),
            ),
            ("teacher: learning rate", self.teacher_rate.describe()),
            ("student: hidden neurons", widths(self.student)),
            (
                "student: epochs, images of a batch",
                format!("{}, {}", self.epochs, self.batch),
            ),
            ("student: learning rate", self.rate.describe()),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}
