//! The errors of this crate.

use std::path::{Path, PathBuf};

/// What can go wrong when a network is built, trained or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the contracts: shapes, settings, labels, empty data, files.
    #[error(transparent)]
    Core(#[from] compress_core::Error),
    /// The loss, the gradient of a layer's output or a weight is no longer a finite number.
    #[error(
        "training diverged in epoch {epoch} at step {step}: {what} is {value}; \
         the learning rate was {learning_rate}, try a lower one"
    )]
    Diverged {
        /// From 0.
        epoch: usize,
        /// Steps done before, over all epochs. Weights themselves are looked at after an epoch, so
        /// that one of them may have gone wrong some steps before.
        step: usize,
        /// The loss, the gradient or the parameter.
        what: String,
        /// What it has become.
        value: f32,
        /// The learning rate of the step.
        learning_rate: f32,
    },
    /// A sample holds a NaN or an infinity.
    #[error("feature {feature} of sample {sample} is {value}, which is not finite")]
    Sample {
        /// Its position in the data.
        sample: usize,
        /// The position within the sample.
        feature: usize,
        /// The value.
        value: f32,
    },
    /// A checkpoint that cannot be read, or belongs to another run.
    #[error("checkpoint {}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Bytes that are not an IDX file of the wanted kind.
    #[error("{name}: {reason}")]
    Idx {
        /// The file, or that the bytes came from memory.
        name: String,
        /// Why.
        reason: String,
    },
}

/// The result of everything in this crate that can fail, but for the methods of the contracts.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Error::Core(compress_core::Error::Io {
            path: path.to_owned(),
            source,
        })
    }

    pub(crate) fn checkpoint(path: &Path, reason: impl Into<String>) -> Self {
        Error::Checkpoint {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

impl From<Error> for compress_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            other => compress_core::Error::other(other),
        }
    }
}
