//! What compaction keeps against the paths from inputs to outputs, and the order of neurons.

use compress_core::network::{Activation, Forward};
use compress_prune::{Role, compact, improve_order, order_neurons};
use compress_testing::{Chain, normal};
use ndarray::Array2;
use proptest::prelude::*;

const WIDTHS: [usize; 5] = [8, 10, 9, 7, 3];

/// A chain whose weights are zero but for some that chance has kept.
fn sparse(activation: Activation, density: f64, seed: u64) -> Chain {
    let mut network = Chain::with_activation(&WIDTHS, activation, seed);
    for parameter in &mut network.parameters {
        if parameter.role() == Role::Bias {
            continue;
        }
        // Uniform enough: the fraction of a large multiple of something normal.
        let draws = normal(seed, parameter.name(), parameter.values().len());
        for (value, draw) in parameter.values_mut().iter_mut().zip(draws) {
            if f64::from((draw * 1e3).abs().fract()) >= density {
                *value = 0.0;
            }
        }
    }
    network
}

fn inputs(rows: usize) -> Array2<f32> {
    let values = normal(3, "inputs", rows * WIDTHS[0]);
    Array2::from_shape_vec((rows, WIDTHS[0]), values).unwrap()
}

/// For the inputs and each layer, which units lie on a path of weights other than zero from an
/// input to an output.
fn on_a_path(network: &Chain) -> Vec<Vec<bool>> {
    let weights: Vec<_> = network.parameters.iter().step_by(2).collect();
    let mut reached = vec![vec![true; WIDTHS[0]]];
    for weight in &weights {
        let before = &reached[reached.len() - 1];
        let row = |row: ndarray::ArrayView1<'_, f32>| {
            row.iter()
                .zip(before)
                .any(|(w, &before)| *w != 0.0 && before)
        };
        let rows = weight.matrix();
        let rows = rows.rows().into_iter().map(row).collect();
        reached.push(rows);
    }
    let mut reaching = vec![true; WIDTHS[WIDTHS.len() - 1]];
    for (i, weight) in weights.iter().enumerate().rev() {
        for (both, &back) in reached[i + 1].iter_mut().zip(&reaching) {
            *both &= back;
        }
        let columns = weight.matrix();
        let column = |column: ndarray::ArrayView1<'_, f32>| {
            column
                .iter()
                .zip(&reaching)
                .any(|(w, &after)| *w != 0.0 && after)
        };
        reaching = columns.columns().into_iter().map(column).collect();
    }
    for (both, &back) in reached[0].iter_mut().zip(&reaching) {
        *both &= back;
    }
    reached
}

fn activations() -> impl Strategy<Value = Activation> {
    prop::sample::select(vec![
        Activation::Relu,
        Activation::Identity,
        Activation::Tanh,
        Activation::Gelu,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_lies_on_no_path_from_an_input_to_an_output_goes(
        seed in any::<u64>(), density in 0.02..0.5_f64, activation in activations(),
    ) {
        let mut network = sparse(activation, density, seed);
        let paths = on_a_path(&network);
        let x = inputs(11);
        let before = network.forward(x.view()).unwrap();
        let report = compact(&mut network).unwrap();
        let after = network.forward(x.view()).unwrap();
        for (a, b) in after.iter().zip(&before) {
            prop_assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{} {}", a, b);
        }
        let live = |units: &Vec<bool>| units.iter().filter(|&&u| u).count();
        let stays: Vec<usize> = paths.iter().map(live).collect();
        // Without any path, a unit of each layer has to stay, and with it what it reads.
        prop_assume!(stays.iter().all(|&units| units > 0));
        for (layer, spec) in network.architecture.layers[..3].iter().enumerate() {
            prop_assert_eq!(spec.outputs, stays[layer + 1], "{}", layer);
            prop_assert_eq!(WIDTHS[layer + 1] - spec.outputs, report.neurons_removed[layer]);
        }
        prop_assert_eq!(network.architecture.inputs(), stays[0]);
    }

    #[test]
    fn ordered_neurons_compute_the_same(
        seed in any::<u64>(), density in 0.02..0.9_f64, activation in activations(),
    ) {
        let mut network = sparse(activation, density, seed);
        let original = network.clone();
        let x = inputs(11);
        let before = network.forward(x.view()).unwrap();
        let orders = order_neurons(&mut network).unwrap();
        let after = network.forward(x.view()).unwrap();
        for (a, b) in after.iter().zip(&before) {
            prop_assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{} {}", a, b);
        }
        for (layer, order) in orders.iter().enumerate() {
            let [new, old] = [&network, &original].map(|n| n.parameters[2 * layer].matrix());
            let counts = new.rows().into_iter().map(|r| r.iter().filter(|w| **w != 0.0).count());
            let counts: Vec<usize> = counts.collect();
            prop_assert!(counts.is_sorted_by(|a, b| a >= b), "{:?}", counts);
            // Ties keep their order.
            for (pair, counts) in order.windows(2).zip(counts.windows(2)) {
                prop_assert!(counts[0] > counts[1] || pair[0] < pair[1]);
            }
            // The columns of the first layer stay where they were.
            if layer == 0 {
                for (new, &from) in new.rows().into_iter().zip(order) {
                    prop_assert_eq!(new, old.row(from));
                }
            }
            let mut all = order.clone();
            all.sort_unstable();
            prop_assert!(all.iter().copied().eq(0..WIDTHS[layer + 1]));
        }
        let again = order_neurons(&mut network).unwrap();
        for order in again {
            prop_assert!(order.is_sorted());
        }
    }
}

#[test]
fn whole_numbers_keep_their_bits_in_another_order() {
    let mut network = sparse(Activation::Relu, 0.4, 12);
    for parameter in &mut network.parameters {
        for value in parameter.values_mut() {
            *value = (*value * 9.0).round_ties_even();
        }
    }
    let x = inputs(11).mapv(|x| (4.0 * x).round_ties_even());
    let before = network.forward(x.view()).unwrap();
    let orders = order_neurons(&mut network).unwrap();
    assert!(orders.iter().any(|order| !order.is_sorted()));
    assert_eq!(network.forward(x.view()).unwrap(), before);
}

#[test]
fn what_is_not_finite_is_not_ordered() {
    let mut network = sparse(Activation::Relu, 0.4, 12);
    network.parameters[4].values_mut()[1] = f32::NAN;
    let before = network.parameters[0].clone();
    let error = order_neurons(&mut network).unwrap_err().to_string();
    assert!(error.contains("layers.2.weight"), "{error}");
    assert_eq!(network.parameters[0], before);
    // A single layer has no hidden neurons.
    let mut single = Chain::random(&[4, 3], 2);
    assert!(order_neurons(&mut single).unwrap().is_empty());
}

/// How many pairs of biases in the hidden layers are in the wrong order: one order has none, and
/// from any other some move lowers the number.
fn inversions(network: &Chain) -> f64 {
    let parameters = network.parameters();
    let hidden = parameters[1..parameters.len() - 1].iter().step_by(2);
    let pairs = hidden.map(|bias| {
        let values = bias.values();
        let after = |i: usize| values[i..].iter().filter(|v| **v < values[i]).count();
        (0..values.len()).map(after).sum::<usize>()
    });
    pairs.sum::<usize>() as f64
}

#[test]
fn a_search_finds_the_order_that_costs_least() {
    for (window, passes) in [(2, 6), (usize::MAX, 1)] {
        let mut network = sparse(Activation::Relu, 0.4, 3);
        for bias in network.parameters.iter_mut().skip(1).step_by(2) {
            let values = bias.values_mut().iter_mut().enumerate();
            values.for_each(|(i, value)| *value = ((i * 7 + 3) % 11) as f32);
        }
        let x = inputs(5);
        let before = network.forward(x.view()).unwrap();
        let mut cost = inversions(&network);
        assert!(cost > 10.0);
        for _ in 0..passes {
            let mut calls = 0;
            let mut of = |network: &Chain| {
                calls += 1;
                Ok(inversions(network))
            };
            let found = improve_order(&mut network, window, &mut of).unwrap();
            assert!(found == inversions(&network) && (found < cost || found == 0.0));
            let hidden = &WIDTHS[1..WIDTHS.len() - 1];
            let places = hidden
                .iter()
                .map(|&n| n * (n - 1).min(window.saturating_mul(2)));
            assert!(calls <= 1 + places.sum::<usize>());
            cost = found;
        }
        assert_eq!(cost, 0.0, "window {window}");
        for (a, b) in network.forward(x.view()).unwrap().iter().zip(&before) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} {b}");
        }
    }
}

#[test]
fn each_neuron_is_tried_after_another_has_moved() {
    let mut network = Chain::random(&[2, 6, 1], 4);
    let bias = network.parameters[1].values_mut();
    bias.copy_from_slice(&[9.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let mut seen: Vec<Vec<f32>> = Vec::new();
    // The first neuron may go to place 2, and nobody else anywhere.
    let lowest = improve_order(&mut network, 2, &mut |network| {
        seen.push(network.parameters()[1].values().to_vec());
        Ok(if seen.len() == 3 { 1.0 } else { 5.0 })
    });
    assert_eq!(lowest.unwrap(), 1.0);
    let order = [1.0, 2.0, 9.0, 3.0, 4.0, 5.0];
    assert_eq!(network.parameters[1].values(), order);
    let without = |order: &[f32], neuron: f32| {
        let rest = order.iter().copied().filter(|&n| n != neuron);
        rest.collect::<Vec<f32>>()
    };
    for neuron in [1.0, 2.0, 3.0, 4.0, 5.0] {
        let moved = |tried: &&Vec<f32>| {
            **tried != order && without(tried, neuron) == without(&order, neuron)
        };
        assert!(seen.iter().skip(3).any(|tried| moved(&tried)), "{neuron}");
    }
    assert_eq!(seen.len(), 1 + 2 + 2 + 3 + 4 + 3 + 2);
}

#[test]
fn a_cost_that_fails_leaves_the_best_order_until_then() {
    let mut network = sparse(Activation::Relu, 0.4, 3);
    let before = network.clone();
    let mut calls = 0;
    let found = improve_order(&mut network, 3, &mut |_| {
        calls += 1;
        match calls {
            4 => Err(compress_core::Error::invalid("the disk", "full", "empty")),
            _ => Ok(10.0 - f64::from(calls)),
        }
    });
    assert!(found.unwrap_err().to_string().contains("the disk"));
    // The first neuron was seen to cost less at the places 1 and 2.
    let (new, old) = (
        network.parameters[1].values(),
        before.parameters[1].values(),
    );
    assert_eq!(new[..4], [old[1], old[2], old[0], old[3]]);
    let unknown = improve_order(&mut network, 3, &mut |_| Ok(f64::NAN));
    assert!(unknown.unwrap_err().to_string().contains("the cost"));
}
