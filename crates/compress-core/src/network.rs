//! The contract of a model: named parameters, a forward pass that can be tapped, a chain of layers,
//! and the edits of that chain.

use std::fmt;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2, ArrayViewD, IxDyn};
use serde::{Deserialize, Serialize};

use crate::kernels::sparse_layer::Live;
use crate::{Error, Result};

mod front;
#[cfg(test)]
pub(crate) mod test_chain;
#[cfg(test)]
mod tests;

pub use self::front::Front;
pub use crate::ops::activation::Activation;

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

/// One dense layer: `y = activation(x · weightᵀ + bias)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSpec {
    /// Such as `layers.0`. Its parameters are then `layers.0.weight` and `layers.0.bias`.
    pub name: String,
    /// How many features come in.
    pub inputs: usize,
    /// How many neurons there are.
    pub outputs: usize,
    /// The activation that follows the product.
    pub activation: Activation,
}

impl LayerSpec {
    /// The name of the weight `[outputs, inputs]`.
    pub fn weight_name(&self) -> String {
        format!("{}.weight", self.name)
    }

    /// The name of the bias `[outputs]`.
    pub fn bias_name(&self) -> String {
        format!("{}.bias", self.name)
    }
}

/// How a hidden layer is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerRemoval {
    /// The next layer reads what this one read. Needs as many outputs as inputs.
    Bypass,
    /// The layer's activation is dropped and its matrix multiplied into the next layer's.
    Fold,
}

/// A chain of dense layers, the front before it, and the features that are selected for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Architecture {
    /// How many features a sample has.
    pub features: usize,
    /// The front: a fixed function that the features pass through first.
    pub front: Option<Front>,
    /// The features that the first layer reads, ascending; all of them where `None`. Behind a
    /// front, they are numbered among the front's outputs.
    pub selected: Option<Vec<u32>>,
    /// First to last; each reads what the one before it writes.
    pub layers: Vec<LayerSpec>,
}

impl Architecture {
    /// A chain through `widths` (features first, classes last): `hidden` after every layer but
    /// the last, named as PyTorch names a list of layers (`layers.0`, `layers.1`, …).
    pub fn mlp(widths: &[usize], hidden: Activation) -> Result<Self> {
        if widths.len() < 2 || widths.contains(&0) {
            return Err(Error::invalid(
                "widths",
                format!("{widths:?}"),
                "at least two positive numbers",
            ));
        }
        let last = widths.len() - 2;
        let layers = widths
            .windows(2)
            .enumerate()
            .map(|(i, pair)| LayerSpec {
                name: format!("layers.{i}"),
                inputs: pair[0],
                outputs: pair[1],
                activation: if i == last {
                    Activation::Identity
                } else {
                    hidden
                },
            })
            .collect();
        Ok(Architecture {
            features: widths[0],
            front: None,
            selected: None,
            layers,
        })
    }

    /// Fails where `other` is another architecture; the error names the first difference.
    ///
    /// # Errors
    /// [`Error::Invalid`]: its value is of `other`, and what is expected is of this one.
    pub fn check_same(&self, other: &Architecture) -> Result<()> {
        fn same<T: PartialEq + fmt::Debug>(what: &str, ours: T, theirs: T) -> Result<()> {
            if ours == theirs {
                return Ok(());
            }
            let theirs = format!("{theirs:?}");
            Err(Error::invalid(what.to_owned(), theirs, format!("{ours:?}")))
        }
        same("number of features", self.features, other.features)?;
        same("the front", self.front, other.front)?;
        same("selected features", &self.selected, &other.selected)?;
        let (layers, others) = (self.layers.len(), other.layers.len());
        same("number of layers", layers, others)?;
        for (ours, theirs) in self.layers.iter().zip(&other.layers) {
            let of = |what: &str| format!("{what} of {}", ours.name);
            same("name of a layer", &ours.name, &theirs.name)?;
            same(&of("inputs"), ours.inputs, theirs.inputs)?;
            same(&of("outputs"), ours.outputs, theirs.outputs)?;
            same(&of("activation"), ours.activation, theirs.activation)?;
        }
        Ok(())
    }

    /// How many features the first layer reads.
    pub fn inputs(&self) -> usize {
        self.selected.as_ref().map_or(self.selectable(), Vec::len)
    }

    /// How many logits the last layer writes.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// The number of weights and biases together; `usize::MAX` where that overflows.
    pub fn parameter_count(&self) -> usize {
        let of_layer = |l: &LayerSpec| l.outputs.saturating_mul(l.inputs.saturating_add(1));
        let counts = self.layers.iter().map(of_layer);
        counts.fold(0, usize::saturating_add)
    }

    /// Fails unless every layer reads what the one before it writes, names differ, the selected
    /// features exist and ascend, and memory could hold the parameters.
    pub fn validate(&self) -> Result<()> {
        if self.layers.is_empty() {
            return Err(Error::Empty {
                what: "the list of layers".into(),
            });
        }
        if self.features == 0 {
            return Err(Error::invalid("the number of features", 0, "positive"));
        }
        if let Some(front) = &self.front {
            front.validate()?;
            let reads = [front.inputs()];
            Error::check_shape("features before the front", &reads, &[self.features])?;
        }
        let selectable = self.selectable();
        if let Some(selected) = &self.selected {
            let ascending = selected.windows(2).all(|w| w[0] < w[1]);
            let exist = selected.last().is_some_and(|&i| (i as usize) < selectable);
            if !ascending || !exist {
                return Err(Error::invalid(
                    "the selected features",
                    format!("{} indices", selected.len()),
                    format!("ascending and below {selectable}"),
                ));
            }
        }
        let mut width = self.inputs();
        for layer in &self.layers {
            Error::check_shape(
                &format!("inputs of {}", layer.name),
                &[width],
                &[layer.inputs],
            )?;
            if layer.outputs == 0 {
                return Err(Error::invalid(
                    format!("outputs of {}", layer.name),
                    0,
                    "positive",
                ));
            }
            width = layer.outputs;
        }
        self.validate_names()?;
        self.validate_size()
    }

    /// Fails where two layers share a name: parameters are found by it.
    fn validate_names(&self) -> Result<()> {
        let mut names = std::collections::HashSet::new();
        match self.layers.iter().find(|l| !names.insert(&l.name)) {
            None => Ok(()),
            Some(layer) => Err(Error::invalid("a layer's name", &layer.name, "unique")),
        }
    }

    /// Fails where the parameters are more than memory can address, or an index of a feature
    /// would not fit its type.
    fn validate_size(&self) -> Result<()> {
        const MOST: usize = isize::MAX as usize / size_of::<f32>();
        if self.parameter_count() > MOST {
            let expected = format!("at most {MOST}");
            return Err(Error::invalid("the number of parameters", "more", expected));
        }
        if u32::try_from(self.features).is_err() {
            let expected = format!("at most {}", u32::MAX);
            return Err(Error::invalid(
                "the number of features",
                self.features,
                expected,
            ));
        }
        Ok(())
    }

    /// The chain after only the neurons marked in `keep` stay in layer `layer`.
    ///
    /// # Errors
    /// Refused where the layer is the last, `keep` has the wrong length, or nothing would be left.
    pub fn without_neurons(&self, layer: usize, keep: &[bool]) -> Result<Self> {
        let spec = self.layer(layer)?;
        let Some(next) = self.layers.get(layer + 1) else {
            return Err(Error::Refused {
                layer: spec.name.clone(),
                reason: "its neurons are the network's outputs".into(),
            });
        };
        Error::check_shape(
            &format!("kept neurons of {}", spec.name),
            &[spec.outputs],
            &[keep.len()],
        )?;
        let kept = keep.iter().filter(|&&k| k).count();
        if kept == 0 {
            return Err(Error::Refused {
                layer: format!("{} -> {}", spec.name, next.name),
                reason: "no neuron would be left".into(),
            });
        }
        let mut edited = self.clone();
        edited.layers[layer].outputs = kept;
        edited.layers[layer + 1].inputs = kept;
        Ok(edited)
    }

    /// The chain after only those present inputs of the first layer stay that are marked in `keep`.
    ///
    /// # Errors
    /// Refused where `keep` has the wrong length or nothing would be left.
    pub fn without_inputs(&self, keep: &[bool]) -> Result<Self> {
        let spec = self.layer(0)?;
        Error::check_shape(
            &format!("kept inputs of {}", spec.name),
            &[spec.inputs],
            &[keep.len()],
        )?;
        let present: Vec<u32> = match &self.selected {
            Some(selected) => selected.clone(),
            None => (0..self.selectable() as u32).collect(),
        };
        let selected: Vec<u32> = present
            .iter()
            .zip(keep)
            .filter(|(_, k)| **k)
            .map(|(&i, _)| i)
            .collect();
        if selected.is_empty() {
            return Err(Error::Refused {
                layer: format!("inputs -> {}", spec.name),
                reason: "no input would be left".into(),
            });
        }
        let mut edited = self.clone();
        edited.layers[0].inputs = selected.len();
        edited.selected = (selected.len() < self.selectable()).then_some(selected);
        Ok(edited)
    }

    /// The chain without hidden layer `layer`.
    ///
    /// # Errors
    /// Refused for the last layer, for a bypass whose widths differ, and for a fold that would
    /// make the network larger.
    pub fn without_layer(&self, layer: usize, how: LayerRemoval) -> Result<Self> {
        let spec = self.layer(layer)?;
        let Some(next) = self.layers.get(layer + 1) else {
            return Err(Error::Refused {
                layer: spec.name.clone(),
                reason: "it is the last layer, not a hidden one".into(),
            });
        };
        let edge = format!("{} -> {}", spec.name, next.name);
        let mut edited = self.clone();
        match how {
            LayerRemoval::Bypass if spec.inputs != spec.outputs => {
                return Err(Error::Refused {
                    layer: edge,
                    reason: format!(
                        "a bypass needs as many outputs as inputs, but it has {} and {}",
                        spec.outputs, spec.inputs
                    ),
                });
            }
            LayerRemoval::Bypass => {
                edited.layers.remove(layer);
            }
            LayerRemoval::Fold => {
                edited.layers[layer + 1].inputs = spec.inputs;
                edited.layers.remove(layer);
                let (before, after) = (self.parameter_count(), edited.parameter_count());
                if after >= before {
                    return Err(Error::Refused {
                        layer: edge,
                        reason: format!(
                            "folding it would not shrink the network ({before} parameters become {after})"
                        ),
                    });
                }
            }
        }
        Ok(edited)
    }

    fn layer(&self, index: usize) -> Result<&LayerSpec> {
        self.layers.get(index).ok_or_else(|| {
            Error::invalid(
                "the layer's index",
                index,
                format!("below {}", self.layers.len()),
            )
        })
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
