//! The methods: what decides which weights go, and when.

use compress_core::train::TrainHook;
use compress_nn::Mlp;
use compress_prune::{Global, GradualOptions, GradualPruning, criterion, schedule};

use crate::sweep::{Lab, StageError};

/// How weights are chosen while a network learns.
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) taught: bool,
    /// Whether the plot shows it.
    pub(super) drawn: bool,
    how: How,
}

enum How {
    /// Gradually while learning.
    Gradual {
        criterion: &'static str,
        schedule: &'static str,
    },
}

const fn gradual(name: &'static str, criterion: &'static str, schedule: &'static str) -> Method {
    Method {
        name,
        taught: false,
        drawn: true,
        how: How::Gradual {
            criterion,
            schedule,
        },
    }
}

pub(super) static METHODS: &[Method] = &[
    gradual("random", "random", "cubic"),
    gradual("magnitude", "magnitude", "cubic"),
    gradual("second moments", "second_moments", "cubic"),
    Method {
        taught: true,
        ..gradual("second moments, from a teacher", "second_moments", "cubic")
    },
];

/// A network as its training begins, and what takes part in it.
pub(super) struct Start {
    pub(super) network: Mlp,
    pub(super) hook: Option<Box<dyn TrainHook>>,
}

impl Start {
    pub(super) fn new(network: Mlp) -> Self {
        Start {
            network,
            hook: None,
        }
    }
}

impl Method {
    /// The start of a training that ends at `density`.
    pub(super) fn start(
        &self,
        network: Mlp,
        density: f64,
        seed: u64,
        lab: &Lab,
    ) -> Result<Start, StageError> {
        let _ = (seed, lab);
        let hook: Box<dyn TrainHook> = match self.how {
            How::Gradual {
                criterion: by,
                schedule: when,
            } => {
                let options = GradualOptions {
                    target: density,
                    begin: 0.2,
                    end: 0.75,
                    interval: 100,
                    ..GradualOptions::default()
                };
                let by = criterion(by, &Default::default())?;
                let structure = Box::new(Global::default());
                Box::new(GradualPruning::new(
                    by,
                    structure,
                    schedule(when, &Default::default())?,
                    options,
                )?)
            }
        };
        Ok(Start {
            network,
            hook: Some(hook),
        })
    }
}
