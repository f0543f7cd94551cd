//! A chain of dense layers: what the multi-layer perceptron is, and what the runtime runs.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::Tensor;
use crate::{Error, Result};

mod edits;
mod front;
mod reading;
#[cfg(test)]
mod tests;

pub use self::front::{Front, SharedFront};
pub use crate::ops::activation::Activation;

/// The name of what the first layer reads, in the graph of a chain.
const INPUTS: &str = "inputs";

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// How many features a sample has.
    pub features: usize,
    /// The front: a fixed function that the features pass through first.
    pub front: Option<SharedFront>,
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
        same("the front", &self.front, &other.front)?;
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

    /// How many features there are to select from: those of a sample, or the front's outputs.
    pub fn selectable(&self) -> usize {
        let front = self.front.as_ref();
        front.map_or(self.features, |front| front.outputs())
    }

    /// The name and shape of each parameter: each layer's weight, then its bias, first layer first.
    pub fn parameters(&self) -> impl Iterator<Item = (String, Vec<usize>)> + '_ {
        self.layers.iter().flat_map(|layer| {
            let weight = (layer.weight_name(), vec![layer.outputs, layer.inputs]);
            [weight, (layer.bias_name(), vec![layer.outputs])]
        })
    }

    /// Fails unless `tensors` are the chain's parameters, in any order, and each is valid.
    ///
    /// # Errors
    /// Names the parameter that is missing, of another shape or not valid.
    pub fn check_tensors(&self, tensors: &[Tensor]) -> Result<()> {
        self.validate()?;
        let by_name: HashMap<&str, &Tensor> = tensors.iter().map(|t| (t.name(), t)).collect();
        for (name, shape) in self.parameters() {
            let Some(tensor) = by_name.get(name.as_str()) else {
                let known: Vec<&str> = tensors.iter().map(Tensor::name).collect();
                let known = known.join(", ");
                return Err(Error::UnknownTensor { name, known });
            };
            Error::check_shape(&name, &shape, tensor.shape())?;
            tensor.validate()?;
        }
        let count = 2 * self.layers.len();
        Error::check_shape("the list of tensors", &[count], &[tensors.len()])
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

    /// Fails unless every layer reads what the one before it writes, names differ (also from those
    /// that the graph gives to the inputs, products and activations), the selected
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

    /// Fails where a layer's name is that of another, or of a node or value of the graph: parameters
    /// and groups are found by it.
    fn validate_names(&self) -> Result<()> {
        let derived = |l: &LayerSpec| [l.product_name(), l.activation_name()];
        let mut names: HashSet<String> = self.layers.iter().flat_map(derived).collect();
        names.insert(INPUTS.to_owned());
        match self.layers.iter().find(|l| !names.insert(l.name.clone())) {
            None => Ok(()),
            Some(layer) => {
                let expected = "unique, also among the values of the graph";
                Err(Error::invalid("a layer's name", &layer.name, expected))
            }
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
}
