//! A small graph of operations, and from it the dependency groups of structured pruning: which axes
//! of which tensors must change together.

mod group;
mod groups;

use std::collections::{HashMap, HashSet};

pub use group::{Group, Member, Part};

use crate::ops::activation::Activation;
use crate::{Error, Result};

/// What a node computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A value that comes from outside. Its features can be left out where `selectable`.
    Input {
        /// Whether the model can read a part of the features.
        selectable: bool,
    },
    /// `x · weightᵀ + bias`; a row of the weight is one output. A convolution is one too: its
    /// features are its channels.
    Linear {
        /// The name of the weight `[out, in]`, or `[out, in, …]` with a kernel.
        weight: String,
        /// The name of the bias `[out]`.
        bias: Option<String>,
    },
    /// A function of each value by itself.
    Activation(Activation),
    /// The sum of values of the same shape, as a residual connection adds them. A feature of the sum
    /// is the sum of the features at its position, so their groups are one.
    Add,
    /// A function of each feature by itself, whose tensors have one value for each feature, such as
    /// the scale and the shift of a folded batch normalization.
    PerFeature {
        /// The names of the tensors `[features]`.
        tensors: Vec<String>,
    },
    /// Each feature becomes this many consecutive ones: a channel its positions, in front of a
    /// linear layer.
    Flatten {
        /// How many positions a feature has.
        positions: usize,
    },
    /// Anything else, by its name. No feature that goes into it or comes out of it can be removed.
    Other(String),
}

impl Operation {
    /// The names of the tensors that it uses.
    fn tensors(&self) -> impl Iterator<Item = &str> {
        let (weight, bias, others) = match self {
            Operation::Linear { weight, bias } => (Some(weight), bias.as_ref(), &[][..]),
            Operation::PerFeature { tensors } => (None, None, &tensors[..]),
            _ => (None, None, &[][..]),
        };
        let named = weight.into_iter().chain(bias).chain(others);
        named.map(String::as_str)
    }
}

/// One operation: what it reads and what it writes, by the names of the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name in messages, such as `layers.0`.
    pub name: String,
    /// What it computes.
    pub operation: Operation,
    /// The values that it reads.
    pub inputs: Vec<String>,
    /// The value that it writes.
    pub output: String,
    /// How many features (channels) that value has.
    pub features: usize,
}

/// A graph of operations, each after those that it reads from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    nodes: Vec<Node>,
    outputs: Vec<String>,
}

impl Graph {
    /// A graph of nodes, each after those that it reads from, and the values that leave it.
    ///
    /// # Errors
    /// Where a value is read or leaves that no earlier node writes, is written twice, two nodes
    /// share a name, or an operation reads another number of values than it can. Where the numbers
    /// of features that an addition, a function of each feature or a flattening reads and writes
    /// do not fit.
    pub fn new(nodes: Vec<Node>, outputs: Vec<String>) -> Result<Self> {
        let mut names = HashSet::new();
        // The features of each value. An activation writes as many as it reads.
        let mut written: HashMap<&String, usize> = HashMap::new();
        for node in &nodes {
            if !names.insert(&node.name) {
                return Err(Error::invalid("a node's name", &node.name, "unique"));
            }
            let needed = match node.operation {
                Operation::Input { .. } => Some(0),
                Operation::Linear { .. }
                | Operation::Activation(_)
                | Operation::PerFeature { .. }
                | Operation::Flatten { .. } => Some(1),
                Operation::Add | Operation::Other(_) => None,
            };
            let found = node.inputs.len();
            if needed.is_some_and(|needed| needed != found) {
                let what = format!("values that {} reads", node.name);
                let expected = needed.unwrap_or(0).to_string();
                return Err(Error::invalid(what, found, expected));
            }
            if let Some(missing) = node.inputs.iter().find(|v| !written.contains_key(v)) {
                let what = format!("a value that {} reads", node.name);
                return Err(Error::invalid(what, missing, "one that is written before"));
            }
            let read: Vec<usize> = node.inputs.iter().map(|v| written[v]).collect();
            check_features(node, &read)?;
            let features = match node.operation {
                Operation::Activation(_) => read[0],
                _ => node.features,
            };
            if written.insert(&node.output, features).is_some() {
                let what = format!("the value that {} writes", node.name);
                return Err(Error::invalid(what, &node.output, "written once"));
            }
        }
        match outputs.iter().find(|v| !written.contains_key(v)) {
            Some(missing) => Err(Error::invalid("an output", missing, "a value of the graph")),
            None => Ok(Graph { nodes, outputs }),
        }
    }

    /// The operations, in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// For each weight the value that its outputs are after the activations and other functions of
    /// each feature that follow, which is what the rest of the model reads. Where only a sum reads it,
    /// as at the end of a residual block, it is the sum and what follows that. A weight that several
    /// nodes use is left out.
    pub fn activated_outputs(&self) -> Vec<(String, String)> {
        let reads = |node: &Node, value: &String| node.inputs.contains(value);
        let only_summed = |value: &String| {
            let readers = self.nodes.iter().filter(|node| reads(node, value));
            readers.count() == 1 && !self.outputs.contains(value)
        };
        let mut outputs: Vec<(String, String)> = Vec::new();
        let mut seen = HashSet::new();
        for node in &self.nodes {
            match &node.operation {
                Operation::Linear { weight, .. } => match seen.insert(weight) {
                    true => outputs.push((weight.clone(), node.output.clone())),
                    false => outputs.retain(|(known, _)| known != weight),
                },
                Operation::Activation(_) | Operation::PerFeature { .. } => {
                    let read = node.inputs.first();
                    let follows = outputs.iter_mut().filter(|(_, v)| read == Some(v));
                    follows.for_each(|(_, value)| value.clone_from(&node.output));
                }
                Operation::Add => {
                    let follows = outputs.iter_mut();
                    let follows = follows.filter(|(_, v)| reads(node, v) && only_summed(v));
                    follows.for_each(|(_, value)| value.clone_from(&node.output));
                }
                _ => {}
            }
        }
        outputs
    }
}

/// Fails where a node cannot write its features from those that it reads.
fn check_features(node: &Node, read: &[usize]) -> Result<()> {
    let fits = match node.operation {
        Operation::Add => !read.is_empty() && read.iter().all(|&n| n == node.features),
        Operation::PerFeature { .. } => read == [node.features],
        Operation::Flatten { positions } => {
            positions > 0
                && read
                    .iter()
                    .all(|n| n.checked_mul(positions) == Some(node.features))
        }
        _ => true,
    };
    match fits {
        true => Ok(()),
        false => {
            let edge = format!("{} -> {}", node.inputs.join(", "), node.name);
            let what = format!("features along {edge}");
            let found = format!("{read:?} to {}", node.features);
            let expected = match node.operation {
                Operation::Flatten { .. } => {
                    "each feature times the positions, which are at least 1"
                }
                _ => "as many in each value that is read as in the one that is written",
            };
            Err(Error::invalid(what, found, expected))
        }
    }
}

#[cfg(test)]
mod tests;
