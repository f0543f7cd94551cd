//! The contract of a model: named parameters, a forward pass that can be tapped, and edits.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, ArrayViewD, IxDyn};
use serde::{Deserialize, Serialize};

use crate::kernels::sparse_layer::Live;
use crate::{Error, Result};

#[cfg(test)]
pub(crate) mod test_chain;
#[cfg(test)]
mod tests;

pub use crate::chain::{Activation, Architecture, LayerRemoval, LayerSpec};

/// The role of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A matrix `[out_features, in_features]`, row-major.
    Weight,
    /// A vector `[out_features]`.
    Bias,
}

/// A named tensor that training changes, with its gradient. Contiguous and row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    name: String,
    role: Role,
    shape: Vec<usize>,
    value: Vec<f32>,
    gradient: Vec<f32>,
    live: Option<Arc<Live>>,
}

impl Parameter {
    /// A weight `[out_features, in_features]`.
    pub fn weight(name: impl Into<String>, value: Array2<f32>) -> Self {
        let shape = vec![value.nrows(), value.ncols()];
        Self::from_parts(
            name.into(),
            Role::Weight,
            shape,
            value.iter().copied().collect(),
        )
    }

    /// A bias `[out_features]`.
    pub fn bias(name: impl Into<String>, value: Vec<f32>) -> Self {
        let shape = vec![value.len()];
        Self::from_parts(name.into(), Role::Bias, shape, value)
    }

    fn from_parts(name: String, role: Role, shape: Vec<usize>, value: Vec<f32>) -> Self {
        let gradient = vec![0.0; value.len()];
        Parameter {
            name,
            role,
            shape,
            value,
            gradient,
            live: None,
        }
    }

    /// Its name, in PyTorch's style: `layers.0.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a weight or a bias.
    pub fn role(&self) -> Role {
        self.role
    }

    /// `[out_features, in_features]` or `[out_features]`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, row-major.
    pub fn values(&self) -> &[f32] {
        &self.value
    }

    /// The values, row-major, to change.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.value
    }

    /// The gradient of the last backward pass, in the same order as the values.
    pub fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// The gradient, to change.
    pub fn gradient_mut(&mut self) -> &mut [f32] {
        &mut self.gradient
    }

    /// Values and gradient at once, as an optimizer needs them.
    pub fn values_and_gradient_mut(&mut self) -> (&mut [f32], &mut [f32]) {
        (&mut self.value, &mut self.gradient)
    }

    /// Which weights are live (may be other than zero); all of them where `None`.
    ///
    /// Permanent pruning sets this, so that a training loop can leave the dead weights out
    /// ([`crate::train::Step::live_only`]).
    pub fn live(&self) -> Option<&Arc<Live>> {
        self.live.as_ref()
    }

    /// Makes only these weights live, and zeroes the others and their gradient; `None` makes all of
    /// them live again.
    ///
    /// # Errors
    /// Where it is for a matrix of another shape.
    pub fn set_live(&mut self, live: Option<Arc<Live>>) -> Result<()> {
        if let Some(live) = &live {
            let (n, k) = live.dim();
            Error::check_shape(&self.name, &self.shape, &[n, k])?;
            live.zero_dead(&mut self.value);
            live.zero_dead(&mut self.gradient);
        }
        self.live = live;
        Ok(())
    }

    /// The values as an array.
    pub fn array(&self) -> ArrayViewD<'_, f32> {
        ArrayViewD::from_shape(IxDyn(&self.shape), &self.value)
            .expect("a parameter's values fill its shape")
    }

    /// The values as a matrix; a bias is a matrix of one row.
    pub fn matrix(&self) -> ArrayView2<'_, f32> {
        let columns = self.shape[self.shape.len() - 1];
        let rows = if self.shape.len() == 2 {
            self.shape[0]
        } else {
            1
        };
        ArrayView2::from_shape((rows, columns), &self.value)
            .expect("a parameter's values fill its shape")
    }
}

/// Watches the inputs of each layer during a forward pass, for calibration.
pub trait Tap {
    /// `inputs` is `[batch, layer.inputs]`: what layer number `index` is about to read.
    fn observe(
        &mut self,
        index: usize,
        layer: &LayerSpec,
        inputs: ArrayView2<'_, f32>,
    ) -> Result<()>;
}

/// A model that can be compressed.
///
/// `compress-nn`'s MLP is one. Your own model can be another: it must list its parameters and run
/// forward. The edits have defaults that refuse.
pub trait Network: Send + Sync {
    /// The chain of layers as it is now.
    fn architecture(&self) -> Architecture;

    /// All parameters; each layer's weight, then its bias, first layer first.
    fn parameters(&self) -> Vec<&Parameter>;

    /// All parameters in the same order, to change.
    fn parameters_mut(&mut self) -> Vec<&mut Parameter>;

    /// Logits `[batch, outputs]` of `inputs` `[batch, features]`, in inference mode (no dropout).
    fn forward(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>>;

    /// As [`Network::forward`], showing each layer's input to `tap`.
    fn forward_tapped(&self, inputs: ArrayView2<'_, f32>, tap: &mut dyn Tap)
    -> Result<Array2<f32>>;

    /// A copy of the network.
    fn boxed_clone(&self) -> Box<dyn Network>;

    /// Removes the neurons of layer `layer` that are not marked in `keep`: its rows, its biases
    /// and the next layer's columns.
    fn remove_neurons(&mut self, layer: usize, keep: &[bool]) -> Result<()> {
        let _ = keep;
        Err(unsupported(self.architecture(), layer, "neurons"))
    }

    /// Removes the inputs of the first layer that are not marked in `keep`. Samples still have all
    /// features; the network reads only those that are left.
    fn remove_inputs(&mut self, keep: &[bool]) -> Result<()> {
        let _ = keep;
        Err(unsupported(self.architecture(), 0, "inputs"))
    }

    /// Removes a hidden layer.
    fn remove_layer(&mut self, layer: usize, how: LayerRemoval) -> Result<()> {
        let _ = how;
        Err(unsupported(self.architecture(), layer, "layers"))
    }
}

impl dyn Network + '_ {
    /// The parameter of this name.
    pub fn parameter(&self, name: &str) -> Result<&Parameter> {
        let all = self.parameters();
        match all.iter().position(|p| p.name() == name) {
            Some(i) => Ok(all[i]),
            None => Err(unknown(name, all.iter().map(|p| p.name()))),
        }
    }

    /// The parameter of this name, to change.
    pub fn parameter_mut(&mut self, name: &str) -> Result<&mut Parameter> {
        self.parameter(name)?;
        let found = self.parameters_mut().into_iter().find(|p| p.name() == name);
        found.ok_or_else(|| unknown(name, std::iter::empty()))
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    Error::UnknownTensor {
        name: name.to_owned(),
        known: known.collect::<Vec<_>>().join(", "),
    }
}

fn unsupported(architecture: Architecture, layer: usize, what: &str) -> Error {
    let name = architecture
        .layers
        .get(layer)
        .map_or_else(|| layer.to_string(), |l| l.name.clone());
    Error::Refused {
        layer: name,
        reason: format!("this network does not support removing {what}"),
    }
}
