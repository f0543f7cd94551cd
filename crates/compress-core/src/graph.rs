//! A small graph of operations, and from it the dependency groups of structured pruning: which axes
//! of which tensors must change together.

use std::collections::{HashMap, HashSet};

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
    /// `x · weightᵀ + bias`; a row of the weight is one output.
    Linear {
        /// The name of the weight `[out, in]`.
        weight: String,
        /// The name of the bias `[out]`.
        bias: Option<String>,
    },
    /// A function of each value by itself.
    Activation(Activation),
    /// Anything else, by its name. No feature that goes into it or comes out of it can be removed.
    Other(String),
}

impl Operation {
    /// The names of the tensors that it uses.
    fn tensors(&self) -> impl Iterator<Item = &str> {
        let (weight, bias) = match self {
            Operation::Linear { weight, bias } => (Some(weight), bias.as_ref()),
            _ => (None, None),
        };
        weight.into_iter().chain(bias).map(String::as_str)
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

/// How a tensor takes part in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its positions compute the features: a row of a weight.
    Writes,
    /// Its positions are added to the features: an element of a bias.
    Shifts,
    /// Its positions multiply the features: a column of a weight.
    Reads,
}

/// An axis of a tensor that belongs to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The tensor's name.
    pub tensor: String,
    /// The axis.
    pub axis: usize,
    /// What its positions do.
    pub part: Part,
}

/// A dependency group: features that stand on the same position along several axes, so that one of
/// them can only be removed from all.
///
/// # References
/// Fang, Ma, Song, Mi, Wang 2023 (2301.12900), section 3.2, for dependency groups found from the
/// graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name of the node that writes the features.
    pub name: String,
    /// How many features there are.
    pub features: usize,
    /// The axes, in the order of the graph.
    pub members: Vec<Member>,
    /// What is applied between the node that writes the features and all that read them, in order;
    /// `None` where that is not the same for all of them.
    pub activations: Option<Vec<Activation>>,
    /// Whether its features come from outside.
    input: bool,
    /// Why no feature can be removed, with the edge at fault.
    fixed: Option<(String, String)>,
}

impl Group {
    /// The members that take part in one way.
    pub fn of(&self, part: Part) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |m| m.part == part)
    }

    /// Whether nothing of the model writes the features: they come from outside.
    pub fn is_input(&self) -> bool {
        self.input
    }

    /// Fails where features of this group cannot be removed.
    ///
    /// # Errors
    /// [`Error::Refused`] names the edge at fault.
    pub fn check_removable(&self) -> Result<()> {
        match &self.fixed {
            None => Ok(()),
            Some((edge, reason)) => Err(Error::Refused {
                layer: edge.clone(),
                reason: reason.clone(),
            }),
        }
    }

    /// How many features stay; fails where there is not a mark for each or none would stay.
    ///
    /// # Errors
    /// As [`Group::check_removable`], or names the group.
    pub fn check_kept(&self, keep: &[bool]) -> Result<usize> {
        let what = format!("kept features of {}", self.name);
        Error::check_shape(&what, &[self.features], &[keep.len()])?;
        let kept = keep.iter().filter(|&&k| k).count();
        if kept == keep.len() {
            return Ok(kept);
        }
        self.check_removable()?;
        if kept == 0 {
            return Err(Error::Refused {
                layer: self.edge(),
                reason: "none of its features would be left".into(),
            });
        }
        Ok(kept)
    }

    /// From the node that writes the features to the first that reads them.
    fn edge(&self) -> String {
        match self.of(Part::Reads).next() {
            Some(member) => format!("{} -> {}", self.name, member.tensor),
            None => self.name.clone(),
        }
    }
}

impl Graph {
    /// A graph of nodes, each after those that it reads from, and the values that leave it.
    ///
    /// # Errors
    /// Where a value is read or leaves that no earlier node writes, is written twice, two nodes
    /// share a name, or an operation reads another number of values than it can.
    pub fn new(nodes: Vec<Node>, outputs: Vec<String>) -> Result<Self> {
        let (mut names, mut written) = (HashSet::new(), HashSet::new());
        for node in &nodes {
            if !names.insert(&node.name) {
                return Err(Error::invalid("a node's name", &node.name, "unique"));
            }
            let needed = match node.operation {
                Operation::Input { .. } => Some(0),
                Operation::Linear { .. } | Operation::Activation(_) => Some(1),
                Operation::Other(_) => None,
            };
            let found = node.inputs.len();
            if needed.is_some_and(|needed| needed != found) {
                let what = format!("values that {} reads", node.name);
                let expected = needed.unwrap_or(0).to_string();
                return Err(Error::invalid(what, found, expected));
            }
            if let Some(missing) = node.inputs.iter().find(|v| !written.contains(v)) {
                let what = format!("a value that {} reads", node.name);
                return Err(Error::invalid(what, missing, "one that is written before"));
            }
            if !written.insert(&node.output) {
                let what = format!("the value that {} writes", node.name);
                return Err(Error::invalid(what, &node.output, "written once"));
            }
        }
        match outputs.iter().find(|v| !written.contains(v)) {
            Some(missing) => Err(Error::invalid("an output", missing, "a value of the graph")),
            None => Ok(Graph { nodes, outputs }),
        }
    }

    /// The operations, in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// For each weight the value that its outputs are after the activations that follow, which is
    /// what the rest of the model reads. A weight that several nodes use is left out.
    pub fn activated_outputs(&self) -> Vec<(String, String)> {
        let mut outputs: Vec<(String, String)> = Vec::new();
        let mut seen = HashSet::new();
        for node in &self.nodes {
            match &node.operation {
                Operation::Linear { weight, .. } => match seen.insert(weight) {
                    true => outputs.push((weight.clone(), node.output.clone())),
                    false => outputs.retain(|(known, _)| known != weight),
                },
                Operation::Activation(_) => {
                    let read = node.inputs.first();
                    let follows = outputs.iter_mut().filter(|(_, v)| read == Some(v));
                    follows.for_each(|(_, value)| value.clone_from(&node.output));
                }
                _ => {}
            }
        }
        outputs
    }

    /// The dependency groups, in the order in which their features are written.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        // The group that a value's features belong to, and what was applied to them so far.
        let mut values: HashMap<&str, (usize, Vec<Activation>)> = HashMap::new();
        for node in &self.nodes {
            let read = node
                .inputs
                .first()
                .and_then(|v| values.get(v.as_str()))
                .cloned();
            match (&node.operation, read) {
                (Operation::Activation(activation), Some((group, mut applied))) => {
                    applied.push(*activation);
                    values.insert(&node.output, (group, applied));
                }
                (Operation::Linear { weight, bias }, read) => {
                    if let Some((group, applied)) = read {
                        groups[group].read_by(weight, &applied);
                    }
                    let mut group = Group::new(node);
                    group.push(weight, 0, Part::Writes);
                    if let Some(bias) = bias {
                        group.push(bias, 0, Part::Shifts);
                    }
                    values.insert(&node.output, (groups.len(), Vec::new()));
                    groups.push(group);
                }
                (operation, _) => {
                    for input in &node.inputs {
                        if let Some((group, _)) = values.get(input.as_str()) {
                            let name = match operation {
                                Operation::Other(name) => name.as_str(),
                                _ => "nothing known",
                            };
                            let edge = format!("{} -> {}", groups[*group].name, node.name);
                            let reason = format!("{name} must be given all of its features");
                            groups[*group].fix(edge, reason);
                        }
                    }
                    let mut group = Group::new(node);
                    match operation {
                        Operation::Input { selectable: true } => {}
                        Operation::Input { .. } => group.fix(
                            node.name.clone(),
                            "its features come from outside, and all are read".into(),
                        ),
                        _ => group.fix(
                            node.name.clone(),
                            "which feature it writes where is not known".into(),
                        ),
                    }
                    values.insert(&node.output, (groups.len(), Vec::new()));
                    groups.push(group);
                }
            }
        }
        for output in &self.outputs {
            if let Some((group, _)) = values.get(output.as_str()) {
                let name = groups[*group].name.clone();
                let reason = "its features are the network's outputs".into();
                groups[*group].fix(name, reason);
            }
        }
        self.fix_shared(&mut groups);
        groups
    }

    /// Fixes the groups of each tensor that several nodes use: what one node no longer needs of it,
    /// another still does.
    fn fix_shared(&self, groups: &mut [Group]) {
        let mut users: HashMap<&str, &str> = HashMap::new();
        for node in &self.nodes {
            for tensor in node.operation.tensors() {
                let first = *users.entry(tensor).or_insert(&node.name);
                if first == node.name {
                    continue;
                }
                let reason = format!("{tensor} of {first} is shared with {}", node.name);
                for group in groups.iter_mut() {
                    let member = group.members.iter().find(|m| m.tensor == tensor);
                    let edge = match member.map(|m| m.part) {
                        None => continue,
                        Some(Part::Reads) => format!("{} -> {tensor}", group.name),
                        Some(Part::Writes | Part::Shifts) => group.name.clone(),
                    };
                    group.fix(edge, reason.clone());
                }
            }
        }
    }

    /// The group of this name.
    ///
    /// # Errors
    /// Where there is none.
    pub fn group(&self, name: &str) -> Result<Group> {
        let groups = self.groups();
        let known: Vec<String> = groups.iter().map(|g| g.name.clone()).collect();
        let found = groups.into_iter().find(|g| g.name == name);
        found.ok_or_else(|| Error::invalid("a group's name", name, known.join(", ")))
    }
}

impl Group {
    fn new(node: &Node) -> Self {
        Group {
            name: node.name.clone(),
            features: node.features,
            members: Vec::new(),
            activations: Some(Vec::new()),
            input: matches!(node.operation, Operation::Input { .. }),
            fixed: None,
        }
    }

    fn push(&mut self, tensor: &str, axis: usize, part: Part) {
        self.members.push(Member {
            tensor: tensor.to_owned(),
            axis,
            part,
        });
    }

    /// Adds a weight that reads the features after `applied`.
    fn read_by(&mut self, weight: &str, applied: &[Activation]) {
        let first = self.of(Part::Reads).next().is_none();
        self.activations = match self.activations.take() {
            Some(_) if first => Some(applied.to_vec()),
            known => known.filter(|known| known == applied),
        };
        self.push(weight, 1, Part::Reads);
    }

    /// Notes why no feature can be removed; the first reason stays.
    fn fix(&mut self, edge: String, reason: String) {
        self.fixed.get_or_insert((edge, reason));
    }
}

#[cfg(test)]
mod tests;
