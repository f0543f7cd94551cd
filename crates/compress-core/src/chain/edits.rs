//! Edits of a chain: what it is without some neurons, inputs or a layer.

use super::{Activation, Architecture, INPUTS, LayerRemoval, LayerSpec};
use crate::graph::{Graph, Group, Node, Operation};
use crate::{Error, Result};

impl LayerSpec {
    /// The name of what the layer computes before its activation, in the graph of a chain.
    pub(super) fn product_name(&self) -> String {
        format!("{}.product", self.name)
    }

    /// The name of the layer's activation, in the graph of a chain.
    pub(super) fn activation_name(&self) -> String {
        format!("{}.activation", self.name)
    }
}

impl Architecture {
    /// The graph of its operations. The values are `inputs` (what the first layer reads) and, named
    /// as the layers, what each layer gives. An architecture that is not valid may have an empty
    /// graph.
    pub fn graph(&self) -> Graph {
        let mut nodes = vec![Node {
            name: INPUTS.into(),
            operation: Operation::Input { selectable: true },
            inputs: Vec::new(),
            output: INPUTS.into(),
            features: self.inputs(),
        }];
        let mut read = INPUTS.to_owned();
        for layer in &self.layers {
            let activated = layer.activation != Activation::Identity;
            let product = match activated {
                true => layer.product_name(),
                false => layer.name.clone(),
            };
            nodes.push(Node {
                name: layer.name.clone(),
                operation: Operation::Linear {
                    weight: layer.weight_name(),
                    bias: Some(layer.bias_name()),
                },
                inputs: vec![read],
                output: product.clone(),
                features: layer.outputs,
            });
            if activated {
                nodes.push(Node {
                    name: layer.activation_name(),
                    operation: Operation::Activation(layer.activation),
                    inputs: vec![product],
                    output: layer.name.clone(),
                    features: layer.outputs,
                });
            }
            read = layer.name.clone();
        }
        // Names differ (`validate`), so that every value is written once, before it is read.
        Graph::new(nodes, vec![read]).unwrap_or_default()
    }

    /// The chain after only the marked features of a group of its graph stay.
    ///
    /// # Errors
    /// As [`Group::check_kept`].
    pub fn keeping(&self, group: &Group, keep: &[bool]) -> Result<Self> {
        group.check_kept(keep)?;
        if group.is_input() {
            return self.without_inputs(keep);
        }
        self.without_neurons(self.position(&group.name)?, keep)
    }

    /// Where the layer of this name stands in the chain.
    ///
    /// # Errors
    /// Where there is none; the error lists those that exist.
    pub fn position(&self, layer: &str) -> Result<usize> {
        let found = self.layers.iter().position(|l| l.name == layer);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.layers.iter().map(|l| l.name.as_str()).collect();
            Error::invalid(
                "a layer's name",
                layer,
                format!("one of {}", known.join(", ")),
            )
        })
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
