//! What networks offer beside their tensors: a forward pass, edits, and, where they are chains of
//! dense layers, their architecture.

use ndarray::{Array2, ArrayView2};

use crate::graph::{Graph, Group};
use crate::parameters::Parameters;
use crate::{Error, Result};

#[cfg(test)]
pub(crate) mod test_chain;
#[cfg(test)]
mod tests;

pub use crate::chain::{Activation, Architecture, LayerRemoval, LayerSpec};
pub use crate::parameter::Parameter;
pub use crate::tensor::Role;

/// A model that predicts.
pub trait Forward: Send + Sync {
    /// How many features a sample has.
    fn features(&self) -> usize;

    /// How many logits it gives.
    fn outputs(&self) -> usize;

    /// Logits `[batch, outputs]` of `inputs` `[batch, features]`, in inference mode (no dropout).
    ///
    /// # Errors
    /// Where the inputs have another number of features.
    fn forward(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>>;
}

/// A model whose features can be removed for good (structured pruning).
pub trait Edit: Parameters {
    /// The graph of its operations, from which its dependency groups follow.
    fn graph(&self) -> Graph;

    /// Removes the features of `group` (one of those of [`Edit::graph`]) that are not marked in
    /// `keep`, along all axes that depend on each other. [`crate::graph::Member::cut`] gives what
    /// stays of a tensor.
    ///
    /// # Errors
    /// [`Error::Refused`] with the edge at fault, or where `keep` has not a mark for each feature.
    /// Nothing is changed then.
    fn keep(&mut self, group: &Group, keep: &[bool]) -> Result<()>;
}

/// A chain of dense layers, such as `compress-nn`'s MLP: for the algorithms that know no other kind
/// of model.
pub trait Network: Edit + Forward {
    /// The chain of layers as it is now. Its tensors are each layer's weight, then its bias.
    fn architecture(&self) -> Architecture;

    /// A copy of the network.
    fn boxed_clone(&self) -> Box<dyn Network>;

    /// Removes a hidden layer.
    ///
    /// # Errors
    /// [`Error::Refused`], also where the network does not support it. Nothing is changed then.
    fn remove_layer(&mut self, layer: &str, how: LayerRemoval) -> Result<()> {
        let _ = how;
        Err(Error::Refused {
            layer: layer.to_owned(),
            reason: "this network does not support removing layers".into(),
        })
    }
}
