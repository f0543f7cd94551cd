//! The settings, full and quick: those of the paper's figure 2 where it says them, of fewer steps.

use serde::Serialize;

use crate::experiments::rate::Rate;
use crate::run::Profile;
use crate::sweep::named;

/// Everything beside the seeds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Settings {
    pub(super) hidden: [usize; 2],
    /// Trainings, the first of all weights.
    pub(super) rounds: usize,
    /// The share of a layer's weights that a round leaves, and that of the last layer.
    pub(super) share: f64,
    pub(super) last_share: f64,
    /// Of each round.
    pub(super) epochs: usize,
    pub(super) batch: usize,
    pub(super) rate: Rate,
}

const FULL: Settings = Settings {
    hidden: [300, 100],
    rounds: 21,
    share: 0.8,
    last_share: 0.9,
    epochs: 10,
    batch: 60,
    rate: Rate::new(1.2e-3, 1.0, 0),
};

const QUICK: Settings = Settings {
    hidden: [40, 20],
    rounds: 4,
    share: 0.5,
    last_share: 0.7,
    epochs: 2,
    ..FULL
};

impl Settings {
    /// Those of a profile.
    pub(super) fn of(profile: Profile) -> Self {
        profile.pick(FULL, QUICK)
    }

    /// The share of a layer's weights that is left after so many rounds.
    pub(super) fn kept(&self, is_last: bool, rounds: usize) -> f64 {
        let share = if is_last { self.last_share } else { self.share };
        (0..rounds).fold(1.0, |kept, _| kept * share)
    }

    /// Name and value of each, for the report.
    pub(super) fn describe(&self) -> Vec<(String, String)> {
        let [a, b] = self.hidden;
        named([
            ("hidden neurons", format!("{a}-{b}")),
            ("trainings, one after another", self.rounds.to_string()),
            (
                "weights that a round leaves of each layer, of the last",
                format!("{} %, {} %", 100.0 * self.share, 100.0 * self.last_share),
            ),
            (
                "epochs of a round, images of a batch",
                format!("{}, {}", self.epochs, self.batch),
            ),
            ("learning rate (Adam)", self.rate.peak.to_string()),
        ])
    }
}
