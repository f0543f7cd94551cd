//! The settings, full and quick. They were chosen on validation images and seeds from 101 on.

use compress_report::fixed;
use serde::Serialize;

use crate::experiments::rate::Rate;
use crate::run::Profile;
use crate::sweep::{Teaching, named};

/// A density, and what fits it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Level {
    /// The share of the weights that stay.
    pub(super) density: f64,
    /// Of AdamW.
    pub(super) weight_decay: f32,
}

impl Level {
    /// The density in percent, without zeros behind it.
    pub(super) fn percent(&self) -> String {
        let percent = 100.0 * self.density;
        let digits = (0..4).find(|&d| (fixed(percent, d).parse() == Ok(percent)) || d == 3);
        fixed(percent, digits.unwrap_or(0))
    }
}

/// Everything beside the seeds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Settings {
    pub(super) student: [usize; 2],
    pub(super) teacher: Teaching,
    pub(super) levels: &'static [Level],
    pub(super) epochs: usize,
    pub(super) batch: usize,
    pub(super) rate: Rate,
    pub(super) temperature: f32,
}

const fn level(density: f64, weight_decay: f32) -> Level {
    Level {
        density,
        weight_decay,
    }
}

const FULL: Settings = Settings {
    student: [300, 100],
    teacher: Teaching {
        hidden: [1000, 600],
        epochs: 15,
        batch: 256,
        dropout: 0.25,
        rate: Rate::new(1.2e-3, 0.02, 300),
    },
    levels: &[
        level(0.1, 0.4),
        level(0.05, 0.4),
        level(0.02, 0.3),
        level(0.01, 0.2),
    ],
    epochs: 60,
    batch: 128,
    rate: Rate::new(3e-3, 0.02, 200),
    temperature: 2.0,
};

const QUICK: Settings = Settings {
    student: [40, 20],
    teacher: Teaching {
        hidden: [60, 40],
        epochs: 6,
        batch: 128,
        ..FULL.teacher
    },
    levels: &[level(0.2, 0.1), level(0.1, 0.1)],
    epochs: 3,
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
        let widths = |[a, b]: [usize; 2]| format!("{a}-{b}");
        let levels = self.levels.iter();
        let decays = levels.map(|l| format!("{} at {} %", l.weight_decay, l.percent()));
        named([
            ("student: hidden neurons", widths(self.student)),
            (
                "epochs, images of a batch",
                format!("{}, {}", self.epochs, self.batch),
            ),
            ("learning rate", self.rate.describe()),
            (
                "weight decay (AdamW)",
                decays.collect::<Vec<_>>().join(", "),
            ),
            (
                "gradual pruning",
                "from 20 to 75 % of the run, every 100 steps; 0.2 % of each layer stays".into(),
            ),
            (
                "pruning at the start",
                "by the first 5,000 training images".into(),
            ),
            (
                "RigL and SET",
                "30 % of a layer move at first, every 100 steps until 75 % of the run".into(),
            ),
            ("teacher", self.teacher.describe()),
            (
                "temperature of the teacher's answers",
                self.temperature.to_string(),
            ),
        ])
    }
}
