//! Structured pruning of whole neurons.

use compress_core::Result;
use compress_core::graph::{Graph, Group, Member, Part};
use compress_core::mask::{Mask, Scores, Structure, TensorScores};
use compress_core::tensor::matrix_shape;

use super::select::{check_scores, keep_highest, kept_count, mask_of};
use crate::error::check_fraction;

/// Structured pruning: keeps, of each `n` neurons that can be removed (a dependency group of the
/// model's graph), `round(density · n)`, but at least one. The weights that compute the other
/// neurons and those that read them are masked, so that [`crate::compact`] removes these neurons for
/// good. Neurons that cannot be removed, such as a model's outputs, all stay.
///
/// A neuron's score is the mean of the scores of its incoming weights: its norm under
/// [`crate::NeuronNorm`], its mean magnitude under [`crate::Magnitude`]. The density is one of
/// neurons, not of weights.
///
/// # Errors
/// Where the density is not from 0 to 1. Where it is below 1, but no neuron can be removed. Where a
/// score is negative or not finite. Where the scores lack a tensor of the graph, or have another shape.
///
/// # Examples
/// ```
/// use compress_core::mask::{Scores, Structure, TensorScores};
/// use compress_core::network::{Activation, Architecture};
/// use compress_prune::Neurons;
///
/// let graph = Architecture::mlp(&[2, 2, 1], Activation::Relu)?.graph();
/// let tensor = |name: &str, shape: [usize; 2], values: Vec<f32>| TensorScores {
///     name: name.into(),
///     shape: shape.to_vec(),
///     values,
/// };
/// let first = tensor("layers.0.weight", [2, 2], vec![1., 1., 3., 3.]);
/// let last = tensor("layers.1.weight", [1, 2], vec![9., 1.]);
/// let mask = Neurons::of(&graph).mask(&Scores { tensors: vec![first, last] }, 0.5)?;
/// assert_eq!(mask.tensors[0].keep, [false, false, true, true]);
/// assert_eq!(mask.tensors[1].keep, [false, true]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Li, Kadav, Durdanovic, Samet, Graf 2017 (1608.08710), section 3.1: a filter is removed together
/// with the kernels of the next layer that read it.
#[derive(Clone, Debug)]
pub struct Neurons {
    groups: Vec<Group>,
}

impl Neurons {
    /// The neurons of a model with this graph.
    pub fn of(graph: &Graph) -> Self {
        Neurons {
            groups: prunable(graph),
        }
    }
}

/// The groups of neurons that can be removed.
pub(crate) fn prunable(graph: &Graph) -> Vec<Group> {
    let groups = graph.groups().into_iter();
    groups
        .filter(|g| !g.is_input() && g.check_removable().is_ok())
        .collect()
}

impl Structure for Neurons {
    fn name(&self) -> &'static str {
        "neurons"
    }

    fn averages(&self) -> bool {
        true
    }

    fn check_density(&self, density: f64) -> Result<()> {
        check_fraction("the density", density)?;
        if density < 1.0 && self.groups.is_empty() {
            let expected = "1 where the graph has no neurons that can be removed";
            return Err(compress_core::Error::invalid(
                "the density",
                density,
                expected,
            ));
        }
        Ok(())
    }

    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask> {
        self.check_density(density)?;
        check_scores(scores)?;
        let tensors = scores.tensors.iter();
        let mut keep: Vec<Vec<bool>> = tensors.map(|t| vec![true; t.values.len()]).collect();
        // Biases, scales and shifts are no weights.
        let scored = |m: &&Member| matches!(m.part, Part::Writes | Part::Reads);
        for group in &self.groups {
            let count = kept_count(density, group.features).max(1);
            let stay = keep_best(&group_scores(group, scores)?, count)?;
            for member in group.members.iter().filter(scored) {
                let index = position(scores, &member.tensor)?;
                let tensor = &scores.tensors[index];
                clear(tensor, member, &stay, &mut keep[index])?;
            }
        }
        Ok(mask_of(scores, density, keep)?)
    }
}

/// The score of each neuron of a group: the mean over the scores of all weights that compute it.
/// There are as many scores as the shapes say ([`check_scores`]).
pub(crate) fn group_scores(group: &Group, scores: &Scores) -> Result<Vec<f32>> {
    let (mut sums, mut count) = (vec![0.0; group.features], 0);
    for writer in group.of(Part::Writes) {
        let tensor = &scores.tensors[position(scores, &writer.tensor)?];
        let (neurons, inputs) = matrix_shape(&tensor.shape);
        let what = format!("neurons of {}", tensor.name);
        compress_core::Error::check_shape(&what, &[group.features], &[neurons])?;
        let rows = tensor.values.chunks_exact(inputs.max(1));
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum += row.iter().map(|&s| f64::from(s)).sum::<f64>();
        }
        count += inputs;
    }
    // In f64 the mean of equal f32 values is exactly that value.
    let mean = |sum: f64| (sum / count.max(1) as f64) as f32;
    Ok(sums.into_iter().map(mean).collect())
}

fn position(scores: &Scores, name: &str) -> Result<usize> {
    let found = scores.tensors.iter().position(|t| t.name == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = scores.tensors.iter().map(|t| t.name.as_str()).collect();
        compress_core::Error::UnknownTensor {
            name: name.to_owned(),
            known: format!("those that are scored: {}", known.join(", ")),
        }
    })
}

/// The `kept` best neurons, at most all.
pub(crate) fn keep_best(scores: &[f32], kept: usize) -> crate::Result<Vec<bool>> {
    Ok(keep_highest(&[scores], kept.min(scores.len()))?.remove(0))
}

/// Unmarks the positions of the features that do not stay.
fn clear(tensor: &TensorScores, member: &Member, stay: &[bool], keep: &mut [bool]) -> Result<()> {
    member.check(&tensor.name, &tensor.shape, stay.len())?;
    let step = member.step(&tensor.shape);
    for (position, keep) in keep.iter_mut().enumerate() {
        *keep &= stay[position / step % stay.len()];
    }
    Ok(())
}
