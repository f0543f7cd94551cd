//! Dependency groups: which axes of which tensors must change together.

use std::iter::repeat_n;

use crate::ops::activation::Activation;
use crate::tensor::{TensorRef, keep_along, permute_along, volume};
use crate::{Error, Result};

/// How a tensor takes part in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its positions compute the features: a row of a weight.
    Writes,
    /// Its positions are added to the features: an element of a bias.
    Shifts,
    /// Its positions multiply the features: a column of a weight.
    Reads,
    /// Its positions change the features, each its own: an element of a scale or a shift of
    /// [`super::Operation::PerFeature`].
    Changes,
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
    /// How many consecutive positions along the axis a feature takes: more than one behind
    /// [`super::Operation::Flatten`].
    pub span: usize,
}

impl Member {
    /// Where the positions of a feature lie: the value at `position` of a tensor of this `shape`
    /// belongs to feature `position / step % features`, where this is the step.
    pub fn step(&self, shape: &[usize]) -> usize {
        let inner = volume(shape.get(self.axis + 1..).unwrap_or_default());
        inner.max(1).saturating_mul(self.span)
    }

    /// Fails unless the axis of a tensor of this name and shape has the positions of so many
    /// features, each of which [`Member::span`] says.
    ///
    /// # Errors
    /// Names the tensor.
    pub fn check(&self, name: &str, shape: &[usize], features: usize) -> Result<()> {
        let expected = features.saturating_mul(self.span);
        if matches!(self.part, Part::Shifts | Part::Changes) {
            return Error::check_shape(name, &[expected], shape);
        }
        let found = shape.get(self.axis).copied().unwrap_or(0);
        let what = format!("axis {} of {name}", self.axis);
        Error::check_shape(&what, &[expected], &[found])
    }

    /// The shape and the values of `tensor` once only the features marked in `keep` stay.
    ///
    /// # Errors
    /// Where the tensor has not the positions of as many features as there are marks.
    pub fn cut(&self, tensor: TensorRef<'_>, keep: &[bool]) -> Result<(Vec<usize>, Vec<f32>)> {
        self.check(tensor.name, tensor.shape, keep.len())?;
        let marks = keep.iter().flat_map(|&keep| repeat_n(keep, self.span));
        let marks: Vec<bool> = marks.collect();
        let values = keep_along(tensor, self.axis, &marks)?;
        let mut shape = tensor.shape.to_vec();
        shape[self.axis] = marks.iter().filter(|&&keep| keep).count();
        Ok((shape, values))
    }

    /// The values of `tensor` once feature `i` is the one that is now feature `order[i]`.
    ///
    /// # Errors
    /// As [`Member::cut`], and where `order` is no order of the features.
    pub fn reorder(&self, tensor: TensorRef<'_>, order: &[usize]) -> Result<Vec<f32>> {
        self.check(tensor.name, tensor.shape, order.len())?;
        let first = |feature: usize| feature.saturating_mul(self.span);
        let of = |&feature: &usize| (0..self.span).map(move |i| first(feature).saturating_add(i));
        let positions = order.iter().flat_map(of);
        permute_along(tensor, self.axis, &positions.collect::<Vec<_>>())
    }
}

/// A dependency group: features that stand on the same position along several axes, so that one of
/// them can only be removed from all.
///
/// # References
/// Fang, Ma, Song, Mi, Wang 2023 (2301.12900), section 3.2, for dependency groups found from the
/// graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name of the node that writes the features, of several the first.
    pub name: String,
    /// How many features there are.
    pub features: usize,
    /// The axes, in the order of the graph.
    pub members: Vec<Member>,
    /// What is applied between the node that writes the features and all that read them, in order;
    /// `None` where that is not the same for all of them, or there is more than activations.
    pub activations: Option<Vec<Activation>>,
    /// Whether its features come from outside.
    pub(super) input: bool,
    /// Why no feature can be removed, with the edge at fault.
    pub(super) fixed: Option<(String, String)>,
}

impl Group {
    /// A group without members.
    pub(super) fn new(name: &str, features: usize, input: bool) -> Self {
        Group {
            name: name.to_owned(),
            features,
            members: Vec::new(),
            activations: Some(Vec::new()),
            input,
            fixed: None,
        }
    }

    /// Notes why no feature can be removed; the first reason stays.
    pub(super) fn fix(&mut self, edge: String, reason: String) {
        self.fixed.get_or_insert((edge, reason));
    }

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
