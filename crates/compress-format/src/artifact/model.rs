//! A compressed model in memory.

use std::collections::HashMap;

use compress_core::chain::{Architecture, LayerSpec};
use compress_core::codec::Tensor;
use compress_core::{Error, Result};

use crate::front::Pooling;
use crate::limits::MOST_PARAMETERS;
use crate::program::check_size;

/// A compressed model.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// The chain of layers.
    pub architecture: Architecture,
    /// For each layer its weight and its bias, in the order of the layers.
    pub tensors: Vec<Tensor>,
}

impl Artifact {
    /// The model of a chain and its parameters, in any order.
    ///
    /// # Errors
    /// Where a parameter has no tensor, or one does not fit the chain or its own grid.
    pub fn of_chain(architecture: Architecture, mut tensors: Vec<Tensor>) -> Result<Self> {
        architecture.check_tensors(&tensors)?;
        check_statable(&architecture)?;
        let names = architecture.parameters().map(|(name, _)| name);
        let positions: HashMap<String, usize> = names.zip(0..).collect();
        tensors.sort_by_key(|t| positions.get(t.name()).copied());
        Ok(Artifact {
            architecture,
            tensors,
        })
    }

    /// The tensor of this name.
    ///
    /// # Errors
    /// [`Error::UnknownTensor`] where there is none.
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        let found = self.tensors.iter().find(|t| t.name() == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.tensors.iter().map(Tensor::name).collect();
            Error::UnknownTensor {
                name: name.to_owned(),
                known: known.join(", "),
            }
        })
    }

    /// Fails where a tensor does not fit the architecture or its own grid.
    ///
    /// # Errors
    /// Where the architecture is not a chain, has more than [`MOST_PARAMETERS`], or a tensor does
    /// not fit it or its own grid; [`Error::NonFinite`] where one has a value that is NaN or
    /// infinite.
    pub fn validate(&self) -> Result<()> {
        self.architecture.validate()?;
        check_statable(&self.architecture)?;
        let layers = self.architecture.layers.len();
        Error::check_shape("the list of tensors", &[2 * layers], &[self.tensors.len()])?;
        for ((name, shape), tensor) in self.architecture.parameters().zip(&self.tensors) {
            if tensor.name() != name {
                return Err(Error::invalid("a tensor's name", tensor.name(), name));
            }
            Error::check_shape(&name, &shape, tensor.shape())?;
            tensor.validate()?;
        }
        Ok(())
    }

    /// Each layer of the chain with its weight and its bias. The model must be valid.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (&LayerSpec, &Tensor, &Tensor)> {
        let mut tensors = self.tensors.iter();
        self.architecture
            .layers
            .iter()
            .map_while(move |layer| Some((layer, tensors.next()?, tensors.next()?)))
    }
}

/// Fails where a file cannot state the chain.
fn check_statable(architecture: &Architecture) -> Result<()> {
    if let Some(front) = &architecture.front
        && Pooling::of(architecture).is_none()
    {
        let expected = "one that a file can state";
        return Err(Error::invalid("the front", front.name(), expected));
    }
    check_size(architecture, MOST_PARAMETERS)
}
