//! The settings, full and quick. They were chosen on validation images and seeds from 101 on.

use serde::Serialize;

use crate::experiments::rate::Rate;
use crate::run::Profile;

/// A network that neurons are removed from.
#[derive(Debug, Serialize)]
pub(super) struct Network {
    pub(super) name: &'static str,
    /// The name of its random streams.
    pub(super) stream: &'static str,
    hidden: [usize; 2],
    quick: [usize; 2],
    /// Whether it learns from augmented images, with dropout.
    pub(super) augmented: bool,
    pub(super) dropout: f32,
}

pub(super) static NETWORKS: &[Network] = &[
    Network {
        name: "student",
        stream: "neurons.student",
        hidden: [300, 100],
        quick: [40, 20],
        augmented: false,
        dropout: 0.0,
    },
    Network {
        name: "teacher",
        stream: "neurons.teacher",
        hidden: [1000, 600],
        quick: [60, 40],
        augmented: true,
        dropout: 0.25,
    },
];

impl Network {
    /// Widths of its hidden layers.
    pub(super) fn hidden(&self, profile: Profile) -> [usize; 2] {
        match profile {
            Profile::Full => self.hidden,
            Profile::Quick => self.quick,
        }
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
    pub(super) test_limit: Option<usize>,
}

const FULL: Settings = Settings {
    shares: &[0.7, 0.5, 0.3],
    calibration: 5_000,
    epochs: 15,
    batch: 128,
    rate: Rate::new(1e-3, 0.05, 200),
    tune_epochs: 2,
    tune_rate: Rate::new(5e-4, 0.05, 50),
    test_limit: None,
};

const QUICK: Settings = Settings {
    shares: &[0.7, 0.4],
    calibration: 500,
    epochs: 3,
    batch: 64,
    tune_epochs: 1,
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

    /// Name and value of each, for the report.
    pub(super) fn describe(&self, profile: Profile) -> Vec<(String, String)> {
        let mut rows: Vec<(String, String)> = NETWORKS
            .iter()
            .map(|network| {
                let [a, b] = network.hidden(profile);
                let images = match network.augmented {
                    true => format!("augmented images, dropout {}", network.dropout),
                    false => "plain images".into(),
                };
                (
                    format!("{}: hidden neurons, images", network.name),
                    format!("{a}-{b}, {images}"),
                )
            })
            .collect();
        let others = [
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
        ];
        rows.extend(others.map(|(name, value)| (name.to_owned(), value)));
        rows
    }
}
