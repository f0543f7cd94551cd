//! What a training run knows between two steps, beside the network and the hooks.

use compress_core::train::FitReport;
use serde::{Deserialize, Serialize};

use crate::optim;

/// The state of a run after some epochs: all that a checkpoint needs beside the network and the
/// hooks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) optimizer: optim::State,
    /// Steps done.
    pub(crate) step: usize,
    pub(crate) report: FitReport,
    /// The lowest validation loss so far, and the number of validations since then.
    best: Option<f32>,
    looks_without_improvement: usize,
}

impl State {
    /// Before the first step.
    pub(crate) fn new(optimizer: optim::State) -> Self {
        State {
            optimizer,
            step: 0,
            report: FitReport::default(),
            best: None,
            looks_without_improvement: 0,
        }
    }

    /// Takes the loss of a validation. Returns how many validations in a row have not improved on
    /// the lowest loss by more than `min_improvement`.
    pub(crate) fn look(&mut self, loss: f32, min_improvement: f32) -> usize {
        if self.best.is_none_or(|best| loss < best - min_improvement) {
            self.best = Some(loss);
            self.looks_without_improvement = 0;
        } else {
            self.looks_without_improvement += 1;
        }
        self.looks_without_improvement
    }
}
