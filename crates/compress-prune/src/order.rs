//! Reorders neurons so that they are cheap to store: by a rule, and by a search.

use compress_core::Result as CoreResult;
use compress_core::graph::{Group, Part};
use compress_core::network::Edit;
use compress_core::parameters::{self, Parameters};

use crate::Result;
use crate::compact::check;
use crate::structure::prunable;

/// Sorts the neurons of each group of `model` that can be removed (of a chain, of each hidden layer)
/// by how many inputs they read (their weights other than zero), most first. Equal neurons keep their
/// order. Returns, for each group, where each neuron came from: entry `i` is the earlier position of
/// the present neuron `i`.
///
/// The rows of a sorted matrix grow sparser from the first to the last, and by and large so do the
/// columns of what reads it. So the density of a row is near that of the row before, which makes it
/// cheap to code.
///
/// The outputs stay the same up to rounding: what reads the neurons adds the same products in another
/// order. Where all sums are exact, as with small integers, they keep the same bits. Gradients and an
/// optimizer's state do not move along, so use this between two runs.
///
/// # Errors
/// Before anything is changed: where a tensor is NaN or infinite, or the tensors do not fit the graph.
///
/// # Examples
/// ```
/// // Any `Edit`: here 2 inputs, 3 hidden neurons, 1 output.
/// let mut network = compress_testing::Chain::random(&[2, 3, 1], 1);
/// network.parameters[0].values_mut().copy_from_slice(&[0.0, 0.0, 0.5, 0.0, 0.3, 0.4]);
/// assert_eq!(compress_prune::order_neurons(&mut network)?, [[2, 1, 0]]);
/// assert_eq!(network.parameters[0].values(), [0.3, 0.4, 0.5, 0.0, 0.0, 0.0]);
/// # Ok::<(), compress_prune::Error>(())
/// ```
///
/// # References
/// Hecht-Nielsen 1990, *On the algebraic structure of feedforward network weight spaces*: any order
/// of the hidden neurons computes the same function.
pub fn order_neurons(model: &mut (impl Edit + ?Sized)) -> Result<Vec<Vec<usize>>> {
    check(model)?;
    let mut orders = Vec::new();
    for group in prunable(&model.graph()) {
        let order = by_inputs(model, &group)?;
        reorder(model, &group, &order)?;
        orders.push(order);
    }
    Ok(orders)
}

/// A greedy search: moves each neuron that [`order_neurons`] orders once, in order, to the place at
/// most `window` away where `cost` of the model is lowest, and returns that cost. `cost` can be
/// anything that storing the model takes, such as the bytes of a file. The order of
/// [`order_neurons`] is a good one to start from. Outputs change as with [`order_neurons`].
///
/// `cost` is called once at the start, and at most `2 * window` times for each neuron. A second
/// search may find a lower cost.
///
/// # Errors
/// Those of [`order_neurons`]; and where `cost` fails, or is not finite at the start. The model then
/// has the best order found so far.
///
/// # Examples
/// ```
/// // Stands for a file that is shorter where small biases come first.
/// let mut network = compress_testing::Chain::random(&[2, 3, 1], 1);
/// network.parameters[1].values_mut().copy_from_slice(&[0.3, 0.1, 0.2]);
/// let cost = compress_prune::improve_order(&mut network, 2, &mut |network| {
///     let biases = network.parameters()[1].values();
///     Ok(f64::from(biases[0] + 2.0 * biases[1] + 3.0 * biases[2]) * -1.0)
/// })?;
/// assert_eq!(network.parameters[1].values(), [0.1, 0.2, 0.3]);
/// assert!((cost + 1.4).abs() < 1e-6);
/// # Ok::<(), compress_prune::Error>(())
/// ```
///
/// # References
/// As [`order_neurons`].
pub fn improve_order<M: Edit + ?Sized>(
    model: &mut M,
    window: usize,
    cost: &mut dyn FnMut(&M) -> CoreResult<f64>,
) -> Result<f64> {
    check(model)?;
    let mut lowest = cost(model)?;
    if !lowest.is_finite() {
        return Err(compress_core::Error::invalid("the cost", lowest, "finite").into());
    }
    for group in prunable(&model.graph()) {
        // The neuron at each place.
        let mut neurons: Vec<usize> = (0..group.features).collect();
        for neuron in 0..neurons.len() {
            let from = neurons.iter().position(|&n| n == neuron).unwrap_or(neuron);
            let best = best_place(model, &group, from, window, &mut lowest, cost)?;
            neurons.remove(from);
            neurons.insert(best, neuron);
        }
    }
    Ok(lowest)
}

/// Moves the neuron at `from` to where `cost` is lowest, even if `cost` then fails. Sets `lowest`
/// to that cost and returns the place.
fn best_place<M: Edit + ?Sized>(
    model: &mut M,
    group: &Group,
    from: usize,
    window: usize,
    lowest: &mut f64,
    cost: &mut dyn FnMut(&M) -> CoreResult<f64>,
) -> CoreResult<usize> {
    let width = group.features;
    let end = from.saturating_add(window).saturating_add(1).min(width);
    let (mut at, mut best, mut asked) = (from, from, Ok(()));
    for to in (from.saturating_sub(window)..end).filter(|&to| to != from) {
        reorder(model, group, &moved(width, at, to))?;
        at = to;
        match cost(model) {
            Ok(found) if found < *lowest => (*lowest, best) = (found, to),
            Ok(_) => {}
            Err(error) => {
                asked = Err(error);
                break;
            }
        }
    }
    if at != best {
        reorder(model, group, &moved(width, at, best))?;
    }
    asked.map(|()| best)
}

/// The order of `width` neurons once the one at `from` is at `to`.
fn moved(width: usize, from: usize, to: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..width).collect();
    let neuron = order.remove(from);
    order.insert(to, neuron);
    order
}

/// Puts the neurons of a group into `order`.
fn reorder<M: Parameters + ?Sized>(
    model: &mut M,
    group: &Group,
    order: &[usize],
) -> CoreResult<()> {
    for member in &group.members {
        parameters::with_mut(model, &member.tensor, |tensor| {
            let permuted = member.reorder(tensor.as_ref(), order)?;
            tensor.values.copy_from_slice(&permuted);
            Ok(())
        })?;
    }
    Ok(())
}

/// The neurons of a group, those with the most incoming weights other than zero first.
fn by_inputs<M: Parameters + ?Sized>(model: &M, group: &Group) -> CoreResult<Vec<usize>> {
    let mut counts = vec![0; group.features];
    for writer in group.of(Part::Writes) {
        parameters::with(model, &writer.tensor, |weight| {
            for (count, row) in counts.iter_mut().zip(weight.matrix()?.rows()) {
                *count += row.iter().filter(|w| **w != 0.0).count();
            }
            Ok(())
        })?;
    }
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&neuron| std::cmp::Reverse(counts[neuron]));
    Ok(order)
}
