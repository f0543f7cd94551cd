//! The settings, full and quick.

use serde::Serialize;

use crate::experiments::rate::Rate;
use crate::run::Profile;
use crate::sweep::{StageError, Teaching, named};

/// Everything beside the losses and the seeds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Settings {
    pub(super) teacher: Teaching,
    pub(super) student: [usize; 2],
    pub(super) epochs: usize,
    pub(super) batch: usize,
    pub(super) rate: Rate,
}

const FULL: Settings = Settings {
    teacher: Teaching {
        hidden: [1000, 300],
        epochs: 20,
        batch: 256,
        dropout: 0.25,
        rate: Rate::new(1.2e-3, 0.02, 300),
    },
    student: [300, 100],
    epochs: 30,
    batch: 128,
    rate: Rate::new(1e-3, 0.02, 200),
};

const QUICK: Settings = Settings {
    teacher: Teaching {
        hidden: [60, 30],
        epochs: 6,
        batch: 128,
        ..FULL.teacher
    },
    student: [30, 20],
    epochs: 2,
    batch: 64,
    ..FULL
};

impl Settings {
    /// Those of a profile.
    pub(super) fn of(profile: Profile) -> Self {
        profile.pick(FULL, QUICK)
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
        named([
            ("teacher", self.teacher.describe()),
            ("student: hidden neurons", widths(self.student)),
            (
                "student: epochs, images of a batch",
                format!("{}, {}", self.epochs, self.batch),
            ),
            ("student: learning rate", self.rate.describe()),
        ])
    }
}
