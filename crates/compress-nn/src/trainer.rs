//! A network with its settings, its validation samples and its callbacks.

use std::path::{Path, PathBuf};

use compress_core::train::Samples;

use crate::{Mlp, Result, Settings};

/// What the callback of [`Trainer::progress`] is told after each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// From 0.
    pub epoch: usize,
    /// Steps done, this one included, over all epochs.
    pub step: usize,
    /// Steps that the whole run will take, unless it stops early.
    pub total_steps: usize,
    /// The loss of this step's batch.
    pub loss: f32,
    /// The learning rate of this step.
    pub learning_rate: f32,
}

/// Trains an [`Mlp`]; `compress-nn`'s implementation of [`Fit`].
///
/// Each call of [`Fit::fit`] is a run of its own: the weights continue from their present values,
/// and the optimizer starts anew. After an error the network is as the failing step left it.
///
/// [`Fit`]: compress_core::train::Fit
/// [`Fit::fit`]: compress_core::train::Fit::fit
pub struct Trainer<'a> {
    pub(crate) network: Mlp,
    pub(crate) settings: Settings,
    pub(crate) validation: Option<Validation<'a>>,
    pub(crate) progress: Option<OnProgress<'a>>,
    pub(crate) checkpoint: Option<(PathBuf, usize)>,
    pub(crate) resume: Option<PathBuf>,
}

/// Called after each step.
pub(crate) type OnProgress<'a> = Box<dyn FnMut(&Progress) + 'a>;

/// The samples to validate on, and how often.
#[derive(Clone, Copy)]
pub(crate) struct Validation<'a> {
    pub(crate) samples: &'a dyn Samples,
    pub(crate) every_epochs: usize,
}

impl<'a> Trainer<'a> {
    /// Checks the settings.
    pub fn new(network: Mlp, settings: Settings) -> Result<Self> {
        settings.validate()?;
        Ok(Trainer {
            network,
            settings,
            validation: None,
            progress: None,
            checkpoint: None,
            resume: None,
        })
    }

    /// Validates on `samples` after every `every_epochs` epochs (at least 1), and after the last.
    #[must_use]
    pub fn validation(mut self, samples: &'a dyn Samples, every_epochs: usize) -> Self {
        self.validation = Some(Validation {
            samples,
            every_epochs,
        });
        self
    }

    /// Calls `callback` after each step.
    #[must_use]
    pub fn progress(mut self, callback: Box<dyn FnMut(&Progress) + 'a>) -> Self {
        self.progress = Some(callback);
        self
    }

    /// Writes a checkpoint to `path` after every `every_epochs` epochs (at least 1), and after
    /// the last. The file is replaced as a whole, so that it is never half written.
    #[must_use]
    pub fn checkpoint(mut self, path: impl AsRef<Path>, every_epochs: usize) -> Self {
        self.checkpoint = Some((path.as_ref().to_owned(), every_epochs));
        self
    }

    /// The next fit continues from the checkpoint at `path`, and ends in the same bits as if it had
    /// never been interrupted. It must get the same data, loss and hooks. It fails where the
    /// settings, the architecture, the number of samples or the number of hooks differ.
    #[must_use]
    pub fn resume(mut self, path: impl AsRef<Path>) -> Self {
        self.resume = Some(path.as_ref().to_owned());
        self
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The network, taken out.
    pub fn into_network(self) -> Mlp {
        self.network
    }
}
