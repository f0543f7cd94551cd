//! Reorders the neurons of each hidden layer so that they are cheap to store: by a rule, and by a
//! search.

use std::sync::Arc;

use compress_core::Result as CoreResult;
use compress_core::kernels::sparse_layer::Live;
use compress_core::network::{LayerSpec, Network, Parameter};

use crate::Result;
use crate::compact::check;

/// Sorts the neurons of each hidden layer of `network` by how many inputs they read (their weights
/// other than zero), most first. Equal neurons keep their order. Returns, for each hidden layer,
/// where each neuron came from: entry `i` is the earlier position of the present neuron `i`.
///
/// The rows of a sorted matrix grow sparser from the first to the last, and by and large so do the
/// columns of the next one. So the density of a row is near that of the row before, which makes it
/// cheap to code.
///
/// The outputs stay the same up to rounding: the next layer adds the same products in another
/// order. Where all sums are exact, as with small integers, they keep the same bits. Gradients and
/// live weights ([`Parameter::live`]) move along. An optimizer's state does not, so use this
/// between two runs.
///
/// # Errors
/// Before anything is changed: where a parameter is NaN or infinite, or the parameters do not fit
/// the architecture.
///
/// # Examples
/// ```
/// // Any `Network`: here 2 inputs, 3 hidden neurons, 1 output.
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
pub fn order_neurons(network: &mut dyn Network) -> Result<Vec<Vec<u32>>> {
    check(network)?;
    let layers = network.architecture().layers;
    let mut orders = Vec::with_capacity(layers.len() - 1);
    for pair in layers.windows(2) {
        let order = by_inputs(network.parameter(&pair[0].weight_name())?);
        reorder(network, pair, &order)?;
        orders.push(order);
    }
    Ok(orders)
}

/// A greedy search: moves each neuron of each hidden layer once, in order, to the place at most
/// `window` away where `cost` of the network is lowest, and returns that cost. `cost` can be
/// anything that storing the network takes, such as the bytes of a file. The order of
/// [`order_neurons`] is a good one to start from. Outputs, gradients and live weights change as
/// with [`order_neurons`].
///
/// `cost` is called once at the start, and at most `2 * window` times for each hidden neuron. A
/// second call may find a lower cost.
///
/// # Errors
/// Those of [`order_neurons`]; and where `cost` fails, or is not finite at the start. The network
/// then has the best order found so far.
///
/// # Examples
/// ```
/// use compress_core::network::Network;
///
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
pub fn improve_order(
    network: &mut dyn Network,
    window: usize,
    cost: &mut dyn FnMut(&dyn Network) -> CoreResult<f64>,
) -> Result<f64> {
    check(network)?;
    let mut lowest = cost(network)?;
    if !lowest.is_finite() {
        return Err(compress_core::Error::invalid("the cost", lowest, "finite").into());
    }
    let layers = network.architecture().layers;
    for pair in layers.windows(2) {
        // The neuron at each place.
        let mut neurons: Vec<usize> = (0..pair[0].outputs).collect();
        for neuron in 0..neurons.len() {
            let from = neurons.iter().position(|&n| n == neuron).unwrap_or(neuron);
            let best = best_place(network, pair, from, window, &mut lowest, cost)?;
            neurons.remove(from);
            neurons.insert(best, neuron);
        }
    }
    Ok(lowest)
}

/// Moves the neuron at `from` to where `cost` is lowest, even if `cost` then fails. Sets `lowest`
/// to that cost and returns the place.
fn best_place(
    network: &mut dyn Network,
    pair: &[LayerSpec],
    from: usize,
    window: usize,
    lowest: &mut f64,
    cost: &mut dyn FnMut(&dyn Network) -> CoreResult<f64>,
) -> CoreResult<usize> {
    let width = pair[0].outputs;
    let end = from.saturating_add(window).saturating_add(1).min(width);
    let (mut at, mut best, mut asked) = (from, from, Ok(()));
    for to in (from.saturating_sub(window)..end).filter(|&to| to != from) {
        reorder(network, pair, &moved(width, at, to))?;
        at = to;
        match cost(network) {
            Ok(found) if found < *lowest => (*lowest, best) = (found, to),
            Ok(_) => {}
            Err(error) => {
                asked = Err(error);
                break;
            }
        }
    }
    if at != best {
        reorder(network, pair, &moved(width, at, best))?;
    }
    asked.map(|()| best)
}

/// The order of `width` neurons once the one at `from` is at `to`.
fn moved(width: usize, from: usize, to: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..width as u32).collect();
    let neuron = order.remove(from);
    order.insert(to, neuron);
    order
}

/// Puts the neurons between the layers of `pair` into `order`.
fn reorder(network: &mut dyn Network, pair: &[LayerSpec], order: &[u32]) -> CoreResult<()> {
    permute(network, &pair[0].weight_name(), order, Axis::Rows)?;
    permute(network, &pair[0].bias_name(), order, Axis::Columns)?;
    permute(network, &pair[1].weight_name(), order, Axis::Columns)
}

/// The axis of a matrix that is reordered; a bias is a matrix of one row.
#[derive(Clone, Copy)]
enum Axis {
    Rows,
    Columns,
}

/// The rows of `weight`, those with the most values other than zero first.
fn by_inputs(weight: &Parameter) -> Vec<u32> {
    let rows = weight.matrix();
    let rows = rows.rows().into_iter();
    let counts: Vec<usize> = rows
        .map(|row| row.iter().filter(|w| **w != 0.0).count())
        .collect();
    let mut order: Vec<u32> = (0..counts.len() as u32).collect();
    order.sort_by_key(|&row| std::cmp::Reverse(counts[row as usize]));
    order
}

fn permute(network: &mut dyn Network, name: &str, order: &[u32], axis: Axis) -> CoreResult<()> {
    let parameter = network.parameter_mut(name)?;
    let (n, k) = parameter.matrix().dim();
    // The earlier position of each value, by its new place.
    let from = |row: usize, column: usize| match axis {
        Axis::Rows => order[row] as usize * k + column,
        Axis::Columns => row * k + order[column] as usize,
    };
    let from: Vec<usize> = (0..n * k).map(|at| from(at / k, at % k)).collect();
    let live = match parameter.live() {
        None => None,
        Some(live) => {
            let mut marks = vec![false; n * k];
            live.positions().for_each(|position| marks[position] = true);
            let marks: Vec<bool> = from.iter().map(|&i| marks[i]).collect();
            Some(Arc::new(Live::new(n, k, &marks)?))
        }
    };
    let (values, gradient) = parameter.values_and_gradient_mut();
    for slice in [values, gradient] {
        let before = slice.to_vec();
        for (value, &i) in slice.iter_mut().zip(&from) {
            *value = before[i];
        }
    }
    match live {
        // A bias has no live weights.
        None => Ok(()),
        live => parameter.set_live(live),
    }
}
