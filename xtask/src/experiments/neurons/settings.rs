//! The settings, full and quick.

use serde::Serialize;

use crate::experiments::rate::Rate;
use crate::run::Profile;
use crate::sweep::{Teaching, named};

/// A network that neurons are removed from.
#[derive(Debug, Serialize)]
pub(super) struct Network {
    pub(super) name: &'static str,
    /// The name of its random streams.
    pub(super) stream: &'static str,
    hidden: [usize; 2],
    quick: [usize; 2],
    /// The share of its neurons that a batch drops, where it learns from augmented images.
    dropout: Option<f32>,
}

pub(super) static NETWORKS: &[Network] = &[
    Network {
        name: "student",
        stream: "neurons.student",
        hidden: [300, 100],
        quick: [40, 20],
        dropout: None,
    },
    Network {
        name: "teacher",
        stream: "neurons.teacher",
        hidden: [1000, 600],
        quick: [60, 40],
        dropout: Some(0.25),
    },
];

impl Network {
    /// Widths of its hidden layers.
    pub(super) fn hidden(&self, profile: Profile) -> [usize; 2] {
        profile.pick(self.hidden, self.quick)
    }

    /// How it is trained, where it learns from augmented images.
    pub(super) fn teaching(&self, settings: &Settings, profile: Profile) -> Option<Teaching> {
        Some(Teaching {
            hidden: self.hidden(profile),
            epochs: settings.epochs,
            batch: settings.batch,
            dropout: self.dropout?,
            rate: settings.rate,
        })
    }
}

/// Everything beside the networks and the seeds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Settings {
    /// Shares of the neurons of each hidden layer that stay.
    pub(super) shares: &'static [f64],
    /// Training images that neurons are scored and repaired by.
    pub(super) calibration: usize,
    pub(super) epochs: usize,
    pub(super) batch: usize,
    pub(super) rate: Rate,
    pub(super) tune_epochs: usize,
    pub(super) tune_rate: Rate,
}

const FULL: Settings = Settings {
    shares: &[0.7, 0.5, 0.3],
    calibration: 5_000,
    epochs: 15,
    batch: 128,
    rate: Rate::new(1e-3, 0.05, 200),
    tune_epochs: 2,
    tune_rate: Rate::new(5e-4, 0.05, 50),
};

const QUICK: Settings = Settings {
    shares: &[0.7, 0.4],
    calibration: 500,
    epochs: 3,
    batch: 64,
    tune_epochs: 1,
    ..FULL
};

impl Settings {
    /// Those of a profile.
    pub(super) fn of(profile: Profile) -> Self {
        profile.pick(FULL, QUICK)
    }

    /// Name and value of each, for the report.
    pub(super) fn describe(&self, profile: Profile) -> Vec<(String, String)> {
        let mut rows: Vec<(String, String)> = NETWORKS
            .iter()
            .map(|network| {
                let [a, b] = network.hidden(profile);
                let images = match network.dropout {
                    Some(dropout) => format!("augmented images, dropout {dropout} by batches"),
                    None => "plain images".into(),
                };
                (
                    format!("{}: hidden neurons, images", network.name),
                    format!("{a}-{b}, {images}"),
                )
            })
            .collect();
        rows.extend(named([
            (
                "epochs, images of a batch",
                format!("{}, {}", self.epochs, self.batch),
            ),
            ("learning rate", self.rate.describe()),
            (
                "calibration: the first training images",
                self.calibration.to_string(),
            ),
            ("fine-tuning: epochs", self.tune_epochs.to_string()),
            ("fine-tuning: learning rate", self.tune_rate.describe()),
        ]));
        rows
    }
}
