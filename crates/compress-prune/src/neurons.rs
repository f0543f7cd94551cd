//! Removes whole neurons, the least important first (structured pruning).

use compress_core::evidence::Known;
use compress_core::graph::Group;
use compress_core::mask::{Criterion, check_fit, score};
use compress_core::network::Edit;
use compress_core::parameters;

use crate::error::check_fraction;
use crate::structure::{Neurons, check_scores, group_scores, keep_best, kept_count, prunable};
use crate::{Error, Result};

/// How many neurons stay.
#[derive(Clone, Debug, PartialEq)]
pub enum NeuronsKept {
    /// `round(fraction · n)` of each `n` neurons that can be removed, halves up; at least one.
    Fraction(f64),
    /// This many of each group of neurons that can be removed, in the order of the graph; at least
    /// one of each.
    Counts(Vec<usize>),
}

/// What [`prune_neurons`] removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeuronPruning {
    /// Neurons removed from each group that neurons can be removed from, in the order of the graph.
    pub removed: Vec<usize>,
    /// Weights and biases before.
    pub parameters_before: usize,
    /// Weights and biases after.
    pub parameters_after: usize,
}

/// Structured pruning: removes the neurons of `model` with the lowest scores, with all that depends
/// on them (a dependency group). The layers become narrower; nothing is masked. All neurons are
/// scored before the first is removed. A neuron's score is the mean of the scores that `criterion`
/// gives to its incoming weights. Of equal scores, the first neurons stay. `known` is what the
/// criterion needs to know; who reads a neuron is found in the graph.
///
/// Unlike [`crate::compact`], this changes what the model computes.
///
/// # Errors
/// Before anything is changed, where a fraction or count is out of range or the criterion fails;
/// and where the model refuses to remove neurons.
///
/// # Examples
/// ```
/// use compress_core::evidence::Known;
/// use compress_core::network::Network;
/// use compress_prune::{NeuronNorm, NeuronsKept, prune_neurons};
///
/// // Any `Edit`: here 4 inputs, 8 hidden neurons, 3 outputs.
/// let mut network = compress_testing::Chain::random(&[4, 8, 3], 1);
/// let (criterion, kept) = (NeuronNorm::default(), NeuronsKept::Fraction(0.25));
/// let report = prune_neurons(&mut network, &criterion, Known::nothing(), &kept)?;
/// assert_eq!(report.removed, [6]);
/// assert_eq!(network.architecture().layers[0].outputs, 2);
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn prune_neurons(
    model: &mut (impl Edit + ?Sized),
    criterion: &dyn Criterion,
    mut known: Known,
    kept: &NeuronsKept,
) -> Result<NeuronPruning> {
    let graph = model.graph();
    check_fit(criterion, &Neurons::of(&graph))?;
    let groups = prunable(&graph);
    let counts = counts(&groups, kept)?;
    if criterion.needs().readers {
        known.find_readers(model, &graph)?;
    }
    let scores = score(model, criterion, &known)?;
    check_scores(&scores)?;
    let mut keep = Vec::with_capacity(counts.len());
    for (group, &count) in groups.iter().zip(&counts) {
        keep.push(keep_best(&group_scores(group, &scores)?, count)?);
    }
    let parameters_before = parameters::count(model)?;
    let mut removed = Vec::with_capacity(counts.len());
    for (group, keep) in groups.iter().zip(&keep) {
        let gone = keep.iter().filter(|&&k| !k).count();
        if gone > 0 {
            // The group as it is now: others may have become smaller, not this one.
            model.keep(group, keep)?;
        }
        removed.push(gone);
    }
    Ok(NeuronPruning {
        removed,
        parameters_before,
        parameters_after: parameters::count(model)?,
    })
}

/// How many neurons of each group stay.
fn counts(groups: &[Group], kept: &NeuronsKept) -> Result<Vec<usize>> {
    let counts = match kept {
        NeuronsKept::Fraction(fraction) => {
            check_fraction("the fraction of neurons kept", *fraction)?;
            let count = |n: usize| kept_count(*fraction, n).max(1);
            return Ok(groups.iter().map(|group| count(group.features)).collect());
        }
        NeuronsKept::Counts(counts) => counts,
    };
    compress_core::Error::check_shape("counts of neurons", &[groups.len()], &[counts.len()])?;
    for (group, &count) in groups.iter().zip(counts) {
        if !(1..=group.features).contains(&count) {
            return Err(Error::NeuronCount {
                layer: group.name.clone(),
                count,
                width: group.features,
            });
        }
    }
    Ok(counts.clone())
}
