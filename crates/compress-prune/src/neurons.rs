//! Removes whole neurons from hidden layers, the least important first (structured pruning).

use compress_core::mask::Criterion;
use compress_core::network::{Architecture, Network};

use crate::error::check_fraction;
use crate::structure::{keep_best, kept_count, neuron_scores};
use crate::{Error, Result};

/// How many neurons stay.
#[derive(Clone, Debug, PartialEq)]
pub enum NeuronsKept {
    /// `round(fraction · n)` of the `n` neurons of each hidden layer, halves up; at least one.
    Fraction(f64),
    /// This many of each hidden layer, first layer first; at least one of each.
    Counts(Vec<usize>),
}

/// What [`prune_neurons`] removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeuronPruning {
    /// Neurons removed from each hidden layer, first layer first.
    pub removed: Vec<usize>,
    /// Weights and biases before.
    pub parameters_before: usize,
    /// Weights and biases after.
    pub parameters_after: usize,
}

/// Structured pruning: removes the neurons of the hidden layers of `network` with the lowest
/// scores. The layers become narrower; nothing is masked. All neurons are scored before the first
/// is removed. A neuron's score is the mean of the scores that `criterion` gives to its incoming
/// weights. Of equal scores, the first neurons stay.
///
/// Unlike [`crate::compact`], this changes what the network computes.
///
/// # Errors
/// Before anything is changed, where a fraction or count is out of range or the criterion fails;
/// and where the network refuses to remove neurons.
///
/// # Examples
/// ```
/// use compress_core::network::Network;
/// use compress_prune::{NeuronNorm, NeuronsKept, prune_neurons};
///
/// // Any `Network`: here 4 inputs, 8 hidden neurons, 3 outputs.
/// let mut network = compress_testing::Chain::random(&[4, 8, 3], 1);
/// let report = prune_neurons(&mut network, &NeuronNorm::default(), &NeuronsKept::Fraction(0.25))?;
/// assert_eq!(report.removed, [6]);
/// assert_eq!(network.architecture().layers[0].outputs, 2);
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn prune_neurons(
    network: &mut dyn Network,
    criterion: &dyn Criterion,
    kept: &NeuronsKept,
) -> Result<NeuronPruning> {
    let architecture = network.architecture();
    architecture.validate()?;
    let counts = counts(&architecture, kept)?;
    let scores = criterion.scores(network)?;
    crate::structure::check_scores(&scores)?;
    let mut keep = Vec::with_capacity(counts.len());
    for (layer, &count) in architecture.layers.iter().zip(&counts) {
        let name = layer.weight_name();
        let scored = scores.tensors.iter().find(|t| t.name == name);
        let scored = scored.ok_or_else(|| compress_core::Error::UnknownTensor {
            name: name.clone(),
            known: format!("those scored by {}", criterion.name()),
        })?;
        compress_core::Error::check_shape(&name, &[layer.outputs, layer.inputs], &scored.shape)?;
        keep.push(keep_best(&neuron_scores(scored)?, count)?);
    }
    let mut removed = Vec::with_capacity(counts.len());
    for (layer, keep) in keep.iter().enumerate() {
        let gone = keep.iter().filter(|&&k| !k).count();
        if gone > 0 {
            network.remove_neurons(layer, keep)?;
        }
        removed.push(gone);
    }
    Ok(NeuronPruning {
        removed,
        parameters_before: architecture.parameter_count(),
        parameters_after: network.architecture().parameter_count(),
    })
}

/// How many neurons of each hidden layer stay.
fn counts(architecture: &Architecture, kept: &NeuronsKept) -> Result<Vec<usize>> {
    let hidden = &architecture.layers[..architecture.layers.len() - 1];
    let counts = match kept {
        NeuronsKept::Fraction(fraction) => {
            check_fraction("the fraction of neurons kept", *fraction)?;
            let count = |n: usize| kept_count(*fraction, n).max(1);
            return Ok(hidden.iter().map(|layer| count(layer.outputs)).collect());
        }
        NeuronsKept::Counts(counts) => counts,
    };
    compress_core::Error::check_shape("counts of neurons", &[hidden.len()], &[counts.len()])?;
    for (layer, &count) in hidden.iter().zip(counts) {
        if !(1..=layer.outputs).contains(&count) {
            return Err(Error::NeuronCount {
                layer: layer.name.clone(),
                count,
                width: layer.outputs,
            });
        }
    }
    Ok(counts.clone())
}
