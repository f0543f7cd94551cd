//! Removes from a network what pruning has made useless.

use compress_core::graph::{Group, Member, Part};
use compress_core::network::Edit;
use compress_core::ops::elementwise;
use compress_core::parameters::{self, Parameters};
use compress_core::tensor::volume;
use compress_core::{Error as CoreError, Result as CoreResult};

use crate::Result;
use crate::neurons::prunable;

/// What [`compact`] removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Neurons removed from each group that neurons can be removed from, in the order of the graph:
    /// of a chain, from each layer but the last.
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

/// Removes from `model` the neurons and inputs that do not matter, until there are no more:
///
/// - a neuron whose outgoing weights are all zero, which nothing reads;
/// - a neuron whose incoming weights are all zero. Its output is the constant
///   c = activation(bias), so w·c is added to the bias of each neuron that reads it with weight w
///   (where the graph says what is applied to it and all readers have biases);
/// - an input whose weights are all zero.
///
/// The last neuron of a layer and the last input are never removed.
///
/// The outputs stay the same for all inputs for which no value overflows. Where nothing is folded
/// into a bias they keep the same bits, since x + 0·w is x; only a logit of zero may change its
/// sign. Folding adds the same products in another order (first, by fused multiply-add, in the
/// order of the neurons), which changes the rounding and nothing else.
///
/// # Errors
/// Where a tensor is NaN or infinite, the tensors do not fit the graph, or the model refuses to
/// remove neurons. The model then still computes the same function, though some useless neurons may
/// be gone.
///
/// # Examples
/// ```
/// use compress_core::parameters;
///
/// // Any `Edit`: here 4 inputs, 8 hidden neurons, 3 outputs.
/// let mut network = compress_testing::Chain::random(&[4, 8, 3], 1);
/// // Nothing reads hidden neuron 5.
/// parameters::with_mut(&mut network, "layers.1.weight", |weight| {
///     weight.values.chunks_exact_mut(8).for_each(|row| row[5] = 0.0);
///     Ok(())
/// })?;
/// let report = compress_prune::compact(&mut network)?;
/// assert_eq!(report.neurons_removed, [1]);
/// assert_eq!(report.parameters_before - report.parameters_after, 4 + 1 + 3);
/// # Ok::<(), compress_prune::Error>(())
/// ```
pub fn compact(model: &mut (impl Edit + ?Sized)) -> Result<Compaction> {
    check(model)?;
    let groups = prunable(&model.graph()).len();
    let mut report = Compaction {
        neurons_removed: vec![0; groups],
        parameters_before: parameters::count(model)?,
        ..Compaction::default()
    };
    loop {
        let mut removed = 0;
        // Goes backwards, so that neurons that fed only a removed one go in the same pass.
        for index in (0..groups).rev() {
            let group = prunable(&model.graph()).swap_remove(index);
            let neurons = remove_useless_neurons(model, &group, &mut report.neurons_folded)?;
            report.neurons_removed[index] += neurons;
            removed += neurons;
        }
        if removed == 0 {
            break;
        }
    }
    // Inputs feed no neuron but through weights that are zero: removing them makes none useless.
    match remove_useless_inputs(model) {
        Ok(removed) => report.inputs_removed = removed,
        Err(CoreError::Refused { reason, .. }) => report.inputs_refused = Some(reason),
        Err(error) => return Err(error.into()),
    }
    report.parameters_after = parameters::count(model)?;
    tracing::info!(
        neurons = report.neurons_removed.iter().sum::<usize>(),
        inputs = report.inputs_removed,
        before = report.parameters_before,
        after = report.parameters_after,
        "compacted"
    );
    Ok(report)
}

/// Fails unless all tensors are finite and those of the graph are there, in the right shape.
pub(crate) fn check(model: &(impl Edit + ?Sized)) -> CoreResult<()> {
    model.visit(&mut |tensor| tensor.check_finite())?;
    for group in model.graph().groups() {
        for member in &group.members {
            parameters::with(model, &member.tensor, |tensor| {
                let what = format!("axis {} of {}", member.axis, tensor.name);
                let found = tensor.shape.get(member.axis).copied().unwrap_or(0);
                CoreError::check_shape(&what, &[group.features], &[found])
            })?;
        }
    }
    Ok(())
}

/// Returns how many neurons of the group it removed.
fn remove_useless_neurons(
    model: &mut (impl Edit + ?Sized),
    group: &Group,
    folded: &mut usize,
) -> CoreResult<usize> {
    let read = nonzero(model, group, Part::Reads)?;
    let varies = nonzero(model, group, Part::Writes)?;
    let foldable = Readers::of(model, group)?;
    let useless = |j: usize| !read[j] || (!varies[j] && foldable.is_some());
    let mut keep: Vec<bool> = (0..group.features).map(|j| !useless(j)).collect();
    if !keep.contains(&true) {
        // One neuron must stay, if possible one that needs nothing of the layer before.
        keep[varies.iter().position(|v| !v).unwrap_or(0)] = true;
    }
    let removed = keep.iter().filter(|&&k| !k).count();
    if removed == 0 {
        return Ok(0);
    }
    let constants: Vec<usize> = (0..keep.len()).filter(|&j| !keep[j] && read[j]).collect();
    let biases = match &foldable {
        Some(readers) => readers.folded_biases(model, group, &constants, folded)?,
        None => Vec::new(),
    };
    // The removal first: where it is refused, nothing has changed yet.
    model.keep(group, &keep)?;
    for (name, bias) in biases {
        parameters::with_mut(model, &name, |tensor| {
            CoreError::check_shape(&name, &[bias.len()], &[tensor.values.len()])?;
            tensor.values.copy_from_slice(&bias);
            Ok(())
        })?;
    }
    Ok(removed)
}

/// The weights that read a group's features, each with the bias that is added to its products.
struct Readers {
    pairs: Vec<(String, String)>,
}

impl Readers {
    /// `None` where a constant feature cannot be made a part of its readers' biases.
    fn of(model: &(impl Edit + ?Sized), group: &Group) -> CoreResult<Option<Self>> {
        if group.activations.is_none() || group.of(Part::Shifts).count() > 1 {
            return Ok(None);
        }
        let groups = model.graph().groups();
        let mut pairs = Vec::new();
        for reader in group.of(Part::Reads) {
            let writes = |g: &&Group| g.of(Part::Writes).any(|m| m.tensor == reader.tensor);
            let Some(next) = groups.iter().find(writes) else {
                return Ok(None);
            };
            let Some(bias) = next.of(Part::Shifts).next() else {
                return Ok(None);
            };
            pairs.push((reader.tensor.clone(), bias.tensor.clone()));
        }
        Ok(Some(Readers { pairs }))
    }

    /// The biases of all readers once the features `constants` are part of them. Counts those that
    /// are not zero.
    fn folded_biases<M: Parameters + ?Sized>(
        &self,
        model: &M,
        group: &Group,
        constants: &[usize],
        folded: &mut usize,
    ) -> CoreResult<Vec<(String, Vec<f32>)>> {
        let mut values = match group.of(Part::Shifts).next() {
            Some(bias) => parameters::with(model, &bias.tensor, |bias| {
                Ok(constants.iter().map(|&j| bias.values[j]).collect())
            })?,
            None => vec![0.0; constants.len()],
        };
        for activation in group.activations.iter().flatten() {
            elementwise::activate(*activation, &mut values)?;
        }
        let constants = constants.iter().zip(&values).filter(|(_, v)| **v != 0.0);
        *folded += constants.clone().count();
        let folded = self.pairs.iter().map(|(weight, bias)| {
            let mut sums = parameters::values(model, bias)?;
            parameters::with(model, weight, |weight| {
                let matrix = weight.matrix()?;
                for (&j, &value) in constants.clone() {
                    for (sum, &w) in sums.iter_mut().zip(matrix.column(j)) {
                        *sum = w.mul_add(value, *sum);
                    }
                }
                Ok(())
            })?;
            Ok((bias.clone(), sums))
        });
        folded.collect()
    }
}

/// Returns how many inputs it removed.
fn remove_useless_inputs(model: &mut (impl Edit + ?Sized)) -> CoreResult<usize> {
    let mut removed = 0;
    for group in model.graph().groups().iter().filter(|g| g.is_input()) {
        let mut keep = nonzero(model, group, Part::Reads)?;
        if !keep.contains(&true)
            && let Some(first) = keep.first_mut()
        {
            *first = true;
        }
        let gone = keep.iter().filter(|&&k| !k).count();
        if gone > 0 {
            model.keep(group, &keep)?;
        }
        removed += gone;
    }
    Ok(removed)
}

/// For each feature of the group whether a weight other than zero writes it, or reads it.
fn nonzero<M: Parameters + ?Sized>(model: &M, group: &Group, part: Part) -> CoreResult<Vec<bool>> {
    let mut nonzero = vec![false; group.features];
    for Member { tensor, axis, .. } in group.of(part) {
        parameters::with(model, tensor, |tensor| {
            let inner = volume(&tensor.shape[axis + 1..]).max(1);
            for (position, _) in tensor.values.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                nonzero[position / inner % group.features] = true;
            }
            Ok(())
        })?;
    }
    Ok(nonzero)
}
