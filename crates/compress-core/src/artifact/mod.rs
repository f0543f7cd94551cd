//! The compressed model file (`.cmp`): the architecture and every tensor, each stored in the
//! smallest of several codings.

use crate::Result;
use crate::codec::QuantizedTensor;
use crate::network::Architecture;

/// One tensor of a model, as it is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// Full precision.
    Float {
        /// The parameter's name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The values, row-major.
        values: Vec<f32>,
    },
    /// Codes on a grid.
    Quantized(QuantizedTensor),
}

/// A compressed model.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// The chain of layers.
    pub architecture: Architecture,
    /// For each layer its weight and its bias, in the order of the layers.
    pub tensors: Vec<Tensor>,
}

/// How one tensor is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    /// The parameter's name.
    pub name: String,
    /// `dense`, `packed`, `sparse` or `entropy`.
    pub coding: &'static str,
    /// Bytes that it takes in the file, its own header included.
    pub bytes: usize,
}

impl Artifact {
    /// The bytes of the file, and how each tensor is stored in them.
    ///
    /// # Errors
    /// Where a tensor does not fit the architecture or its grid.
    pub fn to_bytes(&self) -> Result<(Vec<u8>, Vec<StoredTensor>)> {
        Err(crate::Error::invalid("artifact", "x", "y"))
    }

    /// Reads the bytes of a file. Never panics, and never allocates more than a bounded multiple
    /// of the length of `bytes`.
    ///
    /// # Errors
    /// Where the bytes are cut off, changed (the checksum differs) or not of this format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let _ = bytes;
        Err(crate::Error::invalid("artifact", "x", "y"))
    }
}
