//! What a run leaves.

use std::error::Error;

use compress_nn::Mlp;
use serde::{Deserialize, Serialize};

use crate::experiments::network::{float_artifact, of_file};

/// The error of a run's work.
pub(crate) type StageError = Box<dyn Error + Send + Sync>;

/// What a run leaves: its models, in order. Most have one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) models: Vec<Model>,
}

/// A model, as its file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Model {
    /// What tells it from the others of its run.
    pub(crate) label: String,
    /// The bytes of its `.cmp` file, in full precision.
    pub(crate) file: Vec<u8>,
    /// Numbers that were found on the way, by name.
    pub(crate) numbers: Vec<(String, f64)>,
}

impl Outcome {
    /// One model.
    pub(crate) fn of(network: &Mlp) -> Result<Self, StageError> {
        let models = vec![Model::of("", network)?];
        Ok(Outcome { models })
    }

    /// The network of the first model.
    pub(crate) fn network(&self) -> Result<Mlp, StageError> {
        let first = self.models.first().ok_or("the run has left no model")?;
        Ok(of_file(&first.file)?)
    }
}

impl Model {
    /// Of a network, which goes into its file as it is.
    pub(crate) fn of(label: &str, network: &Mlp) -> Result<Self, StageError> {
        let (file, _) = float_artifact(network)?.to_bytes()?;
        Ok(Model {
            label: label.to_owned(),
            file,
            numbers: Vec::new(),
        })
    }

    /// With a number that was found on the way.
    pub(crate) fn with(mut self, name: &str, value: f64) -> Self {
        self.numbers.push((name.to_owned(), value));
        self
    }
}
