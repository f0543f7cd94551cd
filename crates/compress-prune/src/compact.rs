//! Removes from a model what pruning has made useless.

use compress_core::graph::{Graph, Group, Node, Operation, Part};
use compress_core::network::Edit;
use compress_core::ops::elementwise;
use compress_core::parameters::{self, Parameters};
use compress_core::{Error as CoreError, Result as CoreResult};

use crate::Result;
use crate::structure::prunable;

/// What [`compact`] removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Neurons removed from each group that neurons can be removed from, in the order of the graph:
    /// of a chain, from each layer but the last.
    pub neurons_removed: Vec<usize>,
    /// How many of the removed neurons had a constant output other than zero, which was added to
    /// the biases of what reads it. Where it is 0, the model's outputs keep the same bits.
    pub neurons_folded: usize,
    /// Inputs that nothing reads any more.
    pub inputs_removed: usize,
    /// Why useless inputs are still there, if they cannot be removed.
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
///   c = activation(bias), so w·c is added to the bias of each neuron that reads it with weight w.
///   It stays where that cannot be: where not all readers see the same activations of it, or more
///   than activations stands between, such as a sum or a normalization; or where one has no bias of
///   its own, or is no matrix, or reads several positions of it;
/// - an input whose weights are all zero.
///
/// The last neuron of a group and the last input are never removed.
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
    let graph = model.graph();
    let mut layers = Layer::all(model, &graph)?;
    let mut report = Compaction {
        neurons_removed: vec![0; layers.len()],
        parameters_before: parameters::count(model)?,
        ..Compaction::default()
    };
    loop {
        let mut removed = 0;
        // Goes backwards, so that neurons that fed only a removed one go in the same pass.
        for (layer, gone) in layers.iter_mut().zip(&mut report.neurons_removed).rev() {
            let neurons = layer.remove_useless(model, &mut report.neurons_folded)?;
            *gone += neurons;
            removed += neurons;
        }
        if removed == 0 {
            break;
        }
    }
    // Inputs feed no neuron but through weights that are zero: removing them makes none useless.
    remove_useless_inputs(model, &graph, &mut report)?;
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
                member.check(tensor.name, tensor.shape, group.features)
            })?;
        }
    }
    Ok(())
}

/// Neurons that may go.
struct Layer {
    group: Group,
    /// What reads them; `None` where a constant neuron cannot be made a part of its readers' biases.
    readers: Option<Vec<Reader>>,
}

/// A weight that reads neurons, and the bias that is added to its products.
struct Reader {
    weight: String,
    bias: String,
}

impl Layer {
    /// All neurons of `model` that can be removed, in the order of its graph.
    fn all(model: &(impl Edit + ?Sized), graph: &Graph) -> CoreResult<Vec<Self>> {
        let groups = graph.groups();
        let layers = prunable(graph).into_iter().map(|group| {
            let readers = readers(model, graph, &group, &groups)?;
            Ok(Layer { group, readers })
        });
        layers.collect()
    }

    /// Returns how many neurons it removed; adds to `folded` those that were constants other than
    /// zero.
    fn remove_useless(
        &mut self,
        model: &mut (impl Edit + ?Sized),
        folded: &mut usize,
    ) -> CoreResult<usize> {
        let group = &self.group;
        let read = nonzero(model, group, Part::Reads)?;
        let varies = nonzero(model, group, Part::Writes)?;
        let useless = |j: usize| !read[j] || (!varies[j] && self.readers.is_some());
        let mut keep: Vec<bool> = (0..group.features).map(|j| !useless(j)).collect();
        // If possible one that needs nothing of the layer before.
        keep_one(&mut keep, varies.iter().position(|v| !v).unwrap_or(0));
        let kept = keep.iter().filter(|&&k| k).count();
        if kept == group.features {
            return Ok(0);
        }
        let gone = (0..group.features).filter(|&j| !keep[j] && read[j]);
        let constants = constants(model, group, gone.collect())?;
        let biases = folded_biases(model, self.readers.iter().flatten(), &constants)?;
        // The removal first: where it is refused, nothing has changed yet.
        model.keep(group, &keep)?;
        for (name, bias) in biases {
            parameters::with_mut(model, &name, |tensor| {
                CoreError::check_shape(&name, &[bias.len()], &[tensor.values.len()])?;
                tensor.values.copy_from_slice(&bias);
                Ok(())
            })?;
        }
        *folded += constants.len();
        let removed = group.features - kept;
        self.group.features = kept;
        Ok(removed)
    }
}

/// What reads the neurons of `group`, one of all `groups` of `graph`; `None` where a constant neuron
/// cannot be made a part of its readers' biases.
fn readers<M: Parameters + ?Sized>(
    model: &M,
    graph: &Graph,
    group: &Group,
    groups: &[Group],
) -> CoreResult<Option<Vec<Reader>>> {
    if group.activations.is_none() {
        return Ok(None);
    }
    let mut readers = Vec::new();
    for member in group.of(Part::Reads) {
        let own = |node: &Node| match &node.operation {
            Operation::Linear { weight, bias } if *weight == member.tensor => bias.clone(),
            _ => None,
        };
        let Some(bias) = graph.nodes().iter().find_map(own) else {
            return Ok(None);
        };
        let users = groups.iter().flat_map(|g| &g.members);
        let shared = users.filter(|m| m.tensor == bias).count() > 1;
        let rank = parameters::with(model, &member.tensor, |weight| Ok(weight.shape.len()))?;
        if shared || rank != 2 || member.span != 1 {
            return Ok(None);
        }
        let weight = member.tensor.clone();
        readers.push(Reader { weight, bias });
    }
    Ok(Some(readers))
}

/// Those of the `neurons` without inputs whose outputs are not zero, each with its output.
fn constants<M: Parameters + ?Sized>(
    model: &M,
    group: &Group,
    neurons: Vec<usize>,
) -> CoreResult<Vec<(usize, f32)>> {
    let mut outputs = match group.of(Part::Shifts).next() {
        Some(bias) => parameters::with(model, &bias.tensor, |bias| {
            Ok(neurons.iter().map(|&j| bias.values[j]).collect())
        })?,
        None => vec![0.0; neurons.len()],
    };
    for activation in group.activations.iter().flatten() {
        elementwise::activate(*activation, &mut outputs)?;
    }
    let constants = neurons.into_iter().zip(outputs);
    Ok(constants.filter(|(_, output)| *output != 0.0).collect())
}

/// The biases of `readers`, by name, once `constants` are a part of them.
fn folded_biases<'a, M: Parameters + ?Sized>(
    model: &M,
    readers: impl Iterator<Item = &'a Reader>,
    constants: &[(usize, f32)],
) -> CoreResult<Vec<(String, Vec<f32>)>> {
    let folded = readers.map(|Reader { weight, bias }| {
        let mut sums = parameters::values(model, bias)?;
        parameters::with(model, weight, |weight| {
            let matrix = weight.matrix()?;
            for &(j, value) in constants {
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

/// Removes inputs that nothing reads; adds to `report` how many, and why others are still there.
fn remove_useless_inputs(
    model: &mut (impl Edit + ?Sized),
    graph: &Graph,
    report: &mut Compaction,
) -> CoreResult<()> {
    for group in graph.groups().iter().filter(|g| g.is_input()) {
        let mut keep = nonzero(model, group, Part::Reads)?;
        keep_one(&mut keep, 0);
        let gone = keep.iter().filter(|&&k| !k).count();
        if gone == 0 {
            continue;
        }
        match model.keep(group, &keep) {
            Ok(()) => report.inputs_removed += gone,
            Err(CoreError::Refused { reason, .. }) => report.inputs_refused = Some(reason),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Lets the feature `index` stay where none would.
fn keep_one(keep: &mut [bool], index: usize) {
    if !keep.contains(&true)
        && let Some(mark) = keep.get_mut(index)
    {
        *mark = true;
    }
}

/// For each feature of the group whether a weight other than zero writes it, or reads it.
fn nonzero<M: Parameters + ?Sized>(model: &M, group: &Group, part: Part) -> CoreResult<Vec<bool>> {
    let mut nonzero = vec![false; group.features];
    for member in group.of(part) {
        parameters::with(model, &member.tensor, |tensor| {
            let step = member.step(tensor.shape);
            for (position, _) in tensor.values.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                nonzero[position / step % group.features] = true;
            }
            Ok(())
        })?;
    }
    Ok(nonzero)
}
