//! How the dependency groups follow from a graph.

use std::collections::HashMap;

use super::{Graph, Group, Member, Node, Operation, Part};
use crate::ops::activation::Activation;
use crate::{Error, Result};

impl Graph {
    /// The dependency groups, in the order in which their features are written first.
    pub fn groups(&self) -> Vec<Group> {
        let mut building = Building::default();
        for (place, node) in self.nodes().iter().enumerate() {
            building.add(place, node);
        }
        for output in &self.outputs {
            if let Some(value) = building.values.get(output.as_str()) {
                let group = &mut building.groups[value.group].group;
                let name = group.name.clone();
                group.fix(name, "its features are the network's outputs".into());
            }
        }
        let mut groups = building.finish();
        self.fix_shared(&mut groups);
        groups
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
                        Some(Part::Writes | Part::Shifts | Part::Changes) => group.name.clone(),
                    };
                    group.fix(edge, reason.clone());
                }
            }
        }
    }
}

/// A value on the way through the graph.
#[derive(Clone)]
struct Value {
    /// The group that its features belong to.
    group: usize,
    /// What was applied to them so far; `None` where that is more than activations.
    applied: Option<Vec<Activation>>,
    /// How many consecutive positions a feature takes.
    span: usize,
}

/// A group on the way.
struct Growing {
    group: Group,
    /// For each member which node uses it.
    places: Vec<usize>,
    /// Whether it is now part of an earlier group.
    merged: bool,
}

/// The groups and values of the nodes so far.
#[derive(Default)]
struct Building<'g> {
    groups: Vec<Growing>,
    values: HashMap<&'g str, Value>,
}

impl<'g> Building<'g> {
    fn add(&mut self, place: usize, node: &'g Node) {
        let read = node
            .inputs
            .iter()
            .filter_map(|v| self.values.get(v.as_str()));
        let read: Vec<Value> = read.cloned().collect();
        let value = match (&node.operation, &read[..]) {
            (Operation::Activation(activation), [value]) => {
                let mut value = value.clone();
                if let Some(applied) = &mut value.applied {
                    applied.push(*activation);
                }
                value
            }
            (Operation::Linear { weight, bias }, _) => {
                for value in &read {
                    self.groups[value.group].read_by(place, weight, value);
                }
                self.linear(place, node, weight, bias.as_deref())
            }
            (Operation::PerFeature { tensors }, [value]) => {
                for tensor in tensors {
                    let group = &mut self.groups[value.group];
                    group.push(place, tensor, 0, Part::Changes, value.span);
                }
                Value {
                    applied: None,
                    ..value.clone()
                }
            }
            (Operation::Flatten { positions }, [value]) => Value {
                span: value.span.saturating_mul(*positions),
                ..value.clone()
            },
            (Operation::Add, [first, ..]) if read.iter().all(|v| v.span == first.span) => {
                self.sum(node, &read)
            }
            (operation, _) => {
                for value in &read {
                    let group = &mut self.groups[value.group].group;
                    let reason = match operation {
                        Operation::Other(name) => {
                            format!("{name} must be given all of its features")
                        }
                        // The only other way here.
                        _ => "it is added to values that lay out their features otherwise".into(),
                    };
                    group.fix(format!("{} -> {}", group.name, node.name), reason);
                }
                self.begin(node)
            }
        };
        self.values.insert(&node.output, value);
    }

    /// A group of a node's own, whose features are fixed unless they are selectable inputs.
    fn begin(&mut self, node: &Node) -> Value {
        let is_input = matches!(node.operation, Operation::Input { .. });
        let mut group = Group::new(&node.name, node.features, is_input);
        let reason = match node.operation {
            Operation::Linear { .. } | Operation::Input { selectable: true } => None,
            Operation::Input { .. } => Some("its features come from outside, and all are read"),
            _ => Some("which feature it writes where is not known"),
        };
        if let Some(reason) = reason {
            group.fix(node.name.clone(), reason.into());
        }
        self.groups.push(Growing {
            group,
            places: Vec::new(),
            merged: false,
        });
        Value {
            group: self.groups.len() - 1,
            applied: Some(Vec::new()),
            span: 1,
        }
    }

    fn linear(&mut self, place: usize, node: &Node, weight: &str, bias: Option<&str>) -> Value {
        let value = self.begin(node);
        let group = &mut self.groups[value.group];
        group.push(place, weight, 0, Part::Writes, 1);
        if let Some(bias) = bias {
            group.push(place, bias, 0, Part::Shifts, 1);
        }
        value
    }

    /// Joins the groups of all values that are added into the first of them.
    fn sum(&mut self, node: &Node, read: &[Value]) -> Value {
        let first = read.iter().map(|v| v.group).min().unwrap_or_default();
        for value in read {
            let group = &mut self.groups[value.group].group;
            if group.is_input() {
                let edge = format!("{} -> {}", group.name, node.name);
                group.fix(
                    edge,
                    "its features come from outside, and are added to others".into(),
                );
            }
        }
        for from in read.iter().map(|v| v.group) {
            // A value can be added twice.
            if from != first && !self.groups[from].merged {
                self.merge(from, first);
            }
        }
        self.groups[first].group.activations = None;
        Value {
            group: first,
            applied: None,
            span: read[0].span,
        }
    }

    /// Makes the group `from` a part of the earlier group `into`.
    fn merge(&mut self, from: usize, into: usize) {
        self.groups[from].merged = true;
        let members = std::mem::take(&mut self.groups[from].group.members);
        let places = std::mem::take(&mut self.groups[from].places);
        let (input, fixed) = (
            self.groups[from].group.input,
            self.groups[from].group.fixed.take(),
        );
        let target = &mut self.groups[into];
        target.group.members.extend(members);
        target.places.extend(places);
        target.group.input &= input;
        if let Some((edge, reason)) = fixed {
            target.group.fix(edge, reason);
        }
        for value in self.values.values_mut().filter(|v| v.group == from) {
            value.group = into;
        }
    }

    fn finish(self) -> Vec<Group> {
        let groups = self.groups.into_iter().filter(|growing| !growing.merged);
        groups.map(Growing::finish).collect()
    }
}

impl Growing {
    fn push(&mut self, place: usize, tensor: &str, axis: usize, part: Part, span: usize) {
        self.places.push(place);
        self.group.members.push(Member {
            tensor: tensor.to_owned(),
            axis,
            part,
            span,
        });
    }

    /// Adds a weight that reads the features of `value`.
    fn read_by(&mut self, place: usize, weight: &str, value: &Value) {
        let first = self.group.of(Part::Reads).next().is_none();
        self.group.activations = match self.group.activations.take() {
            Some(_) if first => value.applied.clone(),
            known => known.filter(|known| Some(known) == value.applied.as_ref()),
        };
        self.push(place, weight, 1, Part::Reads, value.span);
    }

    /// The group, with its members in the order of the graph.
    fn finish(self) -> Group {
        let mut members: Vec<_> = self.places.into_iter().zip(self.group.members).collect();
        members.sort_by_key(|(place, _)| *place);
        Group {
            members: members.into_iter().map(|(_, member)| member).collect(),
            ..self.group
        }
    }
}
