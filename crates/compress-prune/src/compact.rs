//! Removes from a network what pruning has made useless.

use compress_core::network::{LayerSpec, Network, Parameter};
use compress_core::ops::elementwise;
use compress_core::{Error as CoreError, Result as CoreResult};

use crate::Result;

/// What [`compact`] removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Neurons removed from each layer, first layer first; always 0 for the last.
    pub neurons_removed: Vec<usize>,
    /// How many of the removed neurons had a constant output other than zero, which was added to
    /// the biases of the next layer. Where it is 0, the network's outputs keep the same bits.
    pub neurons_folded: usize,
    /// Inputs that nothing reads any more.
    pub inputs_removed: usize,
    /// Why useless inputs are still there, if the network refused to remove them.
    pub inputs_refused: Option<String>,
    /// Weights and biases before.
    pub parameters_before: usize,
    /// Weights and biases after.
    pub parameters_after: usize,
}

/// Removes from `network` the neurons and inputs that do not matter, until there are no more:
///
/// - a neuron whose outgoing weights are all zero, which nothing reads;
/// - a neuron whose incoming weights are all zero. Its output is the constant
///   c = activation(bias), so w·c is added to the bias of each neuron that reads it with weight w;
/// - an input of the first layer whose weights are all zero.
///
/// The last neuron of a layer and the last input are never removed.
///
/// The outputs stay the same for all inputs for which no value overflows. Where nothing is folded
/// into a bias they keep the same bits, since x + 0·w is x; only a logit of zero may change its
/// sign. Folding adds the same products in another order (first, by fused multiply-add, in the
/// order of the neurons), which changes the rounding and nothing else.
///
/// # Errors
/// Where a parameter is NaN or infinite, the parameters do not fit the architecture, or the network
/// refuses to remove neurons. The network then still computes the same function, though some
/// useless neurons may be gone.
/// useless neurons may be gone.
///
/// # Examples
/// ```
/// use compress_core::network::Network;
///
/// // Any `Network`: here 4 inputs, 8 hidden neurons, 3 outputs.
/// let mut network = compress_testing::Chain::random(&[4, 8, 3], 1);
/// // Nothing reads hidden neuron 5.
/// let weight = (&mut network as &mut dyn Network).parameter_mut("layers.1.weight")?;
/// for row in weight.values_mut().chunks_exact_mut(8) {
///     row[5] = 0.0;
/// }
/// let report = compress_prune::compact(&mut network)?;
/// assert_eq!(report.neurons_removed, [1, 0]);
/// assert_eq!(report.parameters_before - report.parameters_after, 4 + 1 + 3);
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn compact(network: &mut dyn Network) -> Result<Compaction> {
    let architecture = network.architecture();
    check(network)?;
    let mut report = Compaction {
        neurons_removed: vec![0; architecture.layers.len()],
        parameters_before: architecture.parameter_count(),
        ..Compaction::default()
    };
    loop {
        let mut removed = 0;
        // Goes backwards, so that neurons that fed only a removed one go in the same pass.
        for layer in (0..architecture.layers.len() - 1).rev() {
            let neurons = remove_useless_neurons(network, layer, &mut report.neurons_folded)?;
            report.neurons_removed[layer] += neurons;
            removed += neurons;
        }
        if removed == 0 {
            break;
        }
    }
    // Inputs feed nothing but the first layer: removing them makes no neuron useless.
    match remove_useless_inputs(network) {
        Ok(removed) => report.inputs_removed = removed,
        Err(CoreError::Refused { reason, .. }) => report.inputs_refused = Some(reason),
        Err(error) => return Err(error.into()),
    }
    report.parameters_after = network.architecture().parameter_count();
    tracing::info!(
        neurons = report.neurons_removed.iter().sum::<usize>(),
        inputs = report.inputs_removed,
        before = report.parameters_before,
        after = report.parameters_after,
        "compacted"
    );
    Ok(report)
}

/// Fails unless all parameters are there, of the right shape and finite.
pub(crate) fn check(network: &dyn Network) -> CoreResult<()> {
    let architecture = network.architecture();
    architecture.validate()?;
    for layer in &architecture.layers {
        let weight = network.parameter(&layer.weight_name())?;
        let bias = network.parameter(&layer.bias_name())?;
        let shape = [layer.outputs, layer.inputs];
        CoreError::check_shape(weight.name(), &shape, weight.shape())?;
        CoreError::check_shape(bias.name(), &shape[..1], bias.shape())?;
        CoreError::check_finite(weight.name(), weight.values())?;
        CoreError::check_finite(bias.name(), bias.values())?;
    }
    Ok(())
}

/// Returns how many neurons of hidden layer `layer` it removed.
fn remove_useless_neurons(
    network: &mut dyn Network,
    layer: usize,
    folded: &mut usize,
) -> CoreResult<usize> {
    let architecture = network.architecture();
    let (spec, next) = (&architecture.layers[layer], &architecture.layers[layer + 1]);
    let read = nonzero_columns(network.parameter(&next.weight_name())?);
    let varies = nonzero_rows(network.parameter(&spec.weight_name())?);
    let mut keep: Vec<bool> = read.iter().zip(&varies).map(|(&r, &v)| r && v).collect();
    if !keep.contains(&true) {
        // One neuron must stay, if possible one that needs nothing of the layer before.
        keep[varies.iter().position(|v| !v).unwrap_or(0)] = true;
    }
    let removed = keep.iter().filter(|&&k| !k).count();
    if removed == 0 {
        return Ok(0);
    }
    let constants: Vec<usize> = (0..keep.len()).filter(|&j| !keep[j] && read[j]).collect();
    let (bias, count) = folded_bias(network, spec, next, &constants)?;
    // The removal first: where it is refused, nothing has changed yet.
    network.remove_neurons(layer, &keep)?;
    network
        .parameter_mut(&next.bias_name())?
        .values_mut()
        .copy_from_slice(&bias);
    *folded += count;
    Ok(removed)
}

/// The bias of `next` once the neurons `constants` of `spec` are part of it, and how many of
/// those are not zero.
fn folded_bias(
    network: &dyn Network,
    spec: &LayerSpec,
    next: &LayerSpec,
    constants: &[usize],
) -> CoreResult<(Vec<f32>, usize)> {
    let own = network.parameter(&spec.bias_name())?.values();
    let mut values: Vec<f32> = constants.iter().map(|&j| own[j]).collect();
    elementwise::activate(spec.activation, &mut values)?;
    let mut bias = network.parameter(&next.bias_name())?.values().to_vec();
    let weight = network.parameter(&next.weight_name())?.matrix();
    let mut count = 0;
    for (&j, &value) in constants.iter().zip(&values).filter(|(_, v)| **v != 0.0) {
        count += 1;
        for (bias, &w) in bias.iter_mut().zip(weight.column(j)) {
            *bias = w.mul_add(value, *bias);
        }
    }
    Ok((bias, count))
}

/// Returns how many inputs it removed.
fn remove_useless_inputs(network: &mut dyn Network) -> CoreResult<usize> {
    let name = network.architecture().layers[0].weight_name();
    let mut keep = nonzero_columns(network.parameter(&name)?);
    if !keep.contains(&true) {
        keep[0] = true;
    }
    let removed = keep.iter().filter(|&&k| !k).count();
    if removed > 0 {
        network.remove_inputs(&keep)?;
    }
    Ok(removed)
}

fn nonzero_rows(weight: &Parameter) -> Vec<bool> {
    let rows = weight.matrix();
    rows.rows()
        .into_iter()
        .map(|row| row.iter().any(|&w| w != 0.0))
        .collect()
}

fn nonzero_columns(weight: &Parameter) -> Vec<bool> {
    let matrix = weight.matrix();
    let mut nonzero = vec![false; matrix.ncols()];
    for row in matrix.rows() {
        for (nonzero, &w) in nonzero.iter_mut().zip(row) {
            *nonzero |= w != 0.0;
        }
    }
    nonzero
}
