//! Criteria of neurons, against plain definitions of what they mean.

use compress_core::gradients::Gradients;
use compress_core::network::Forward;
use compress_core::observe::OnSamples;
use compress_core::{Error as CoreError, Result};
use compress_prune::*;
use compress_testing::{Chain, blobs, normal};
use ndarray::Array2;

/// Seven neurons that read five channels through a kernel of 2 × 3.
const SHAPE: [usize; 4] = [7, 5, 2, 3];
const INPUTS: usize = 30;

fn values(name: &str) -> Vec<f32> {
    normal(8, name, SHAPE.iter().product())
}

/// The scores of a weight, one for each neuron: all weights of a neuron must have the same.
#[track_caller]
fn scores(criterion: &dyn Criterion, values: &[f32], evidence: &Evidence<'_>) -> Vec<f32> {
    let weight = TensorRef::weight("w", &SHAPE, values).unwrap();
    let scores = criterion.score(weight, evidence).unwrap();
    assert_eq!(scores.len(), values.len());
    let rows = scores.chunks(INPUTS);
    rows.map(|row| {
        assert!(row.iter().all(|s| s == &row[0]));
        row[0]
    })
    .collect()
}

#[track_caller]
fn assert_near(scores: &[f32], expected: &[f64]) {
    assert_eq!(scores.len(), expected.len());
    for (&s, &e) in scores.iter().zip(expected) {
        assert!((f64::from(s) - e).abs() <= 1e-6 * e.abs(), "{s} {e}");
    }
}

fn row(values: &[f32], neuron: usize) -> impl Iterator<Item = f64> {
    values[neuron * INPUTS..][..INPUTS]
        .iter()
        .map(|&w| f64::from(w))
}

#[test]
fn neuron_l1_is_the_sum_of_magnitudes() {
    let w = values("w");
    let expected: Vec<f64> = (0..7).map(|j| row(&w, j).map(f64::abs).sum()).collect();
    assert_near(&scores(&NeuronL1, &w, &Evidence::none()), &expected);
}

#[test]
fn neuron_taylor_is_the_square_of_a_sum() {
    let (w, g) = (values("w"), values("g"));
    let known = Evidence::none().with_values(PerValue::Gradient, &g);
    let sum = |j: usize| row(&w, j).zip(row(&g, j)).map(|(w, g)| w * g).sum::<f64>();
    let expected: Vec<f64> = (0..7).map(|j| sum(j).powi(2)).collect();
    assert_near(&scores(&NeuronTaylor, &w, &known), &expected);
    let weight = TensorRef::weight("w", &SHAPE, &w).unwrap();
    let missing = NeuronTaylor.score(weight, &Evidence::none());
    assert!(matches!(missing, Err(CoreError::NoEvidence { .. })));
    let short = Evidence::none().with_values(PerValue::Gradient, &g[1..]);
    assert!(NeuronTaylor.score(weight, &short).is_err());
}

#[test]
fn geometric_median_is_the_sum_of_distances() {
    let w = values("w");
    let distance = |i: usize, j: usize| {
        let squares = row(&w, i).zip(row(&w, j)).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let expected: Vec<f64> = (0..7)
        .map(|i| (0..7).map(|j| distance(i, j)).sum())
        .collect();
    assert_near(&scores(&GeometricMedian, &w, &Evidence::none()), &expected);
    // One neuron has no other.
    let weight = TensorRef::weight("w", &[1, 3], &w[..3]).unwrap();
    let alone = GeometricMedian.score(weight, &Evidence::none()).unwrap();
    assert_eq!(alone, [0.0; 3]);
}

#[test]
fn the_neuron_that_the_others_replace_best_goes() {
    // Not the smallest one, but the one in the middle.
    let mut network = Chain::random(&[2, 3, 2], 1);
    network.parameters[0]
        .values_mut()
        .copy_from_slice(&[0.1, 0.0, 5.0, 0.0, 9.0, 0.0]);
    let kept = NeuronsKept::Counts(vec![2]);
    let known = Known::nothing();
    prune_neurons(&mut network, &GeometricMedian, known, &kept).unwrap();
    assert_eq!(network.parameters[0].values(), [0.1, 0.0, 9.0, 0.0]);
}

#[test]
fn scores_beyond_f32_are_its_largest_number() {
    let mut w = vec![f32::MAX; 7 * INPUTS];
    w[..INPUTS].fill(f32::MIN);
    let known = Evidence::none().with_values(PerValue::Gradient, &w);
    let criteria: [&dyn Criterion; 3] = [&NeuronL1, &NeuronTaylor, &GeometricMedian];
    for criterion in criteria {
        assert_eq!(
            scores(criterion, &w, &known),
            [f32::MAX; 7],
            "{}",
            criterion.name()
        );
    }
    let empty = TensorRef::weight("w", &[5, 0], &[]).unwrap();
    let known = Evidence::none().with_values(PerValue::Gradient, &[]);
    for criterion in criteria {
        assert!(criterion.score(empty, &known).unwrap().is_empty());
    }
}

#[test]
fn activation_rate_counts_outputs_that_are_not_zero() -> Result<()> {
    let network = Chain::random(&[4, 6, 3], 5);
    let data = blobs(50, 4, 3, 2);
    let mut known = Known::nothing();
    known.find_activity(&OnSamples::new(&network, &data), &network.graph())?;
    let scores = score(&network, &ActivationRate, &known)?;

    let mut inputs = Array2::zeros((50, 4));
    let all: Vec<usize> = (0..50).collect();
    data.fill(0, &all, inputs.view_mut())?;
    assert_eq!(network.forward(inputs.view())?.dim(), (50, 3));
    let (weight, bias) = (
        network.parameters[0].matrix(),
        network.parameters[1].values(),
    );
    let active = |x: ndarray::ArrayView1<'_, f32>, j: usize| {
        let products = x
            .iter()
            .zip(weight.row(j))
            .map(|(&x, &w)| f64::from(x) * f64::from(w));
        products.sum::<f64>() + f64::from(bias[j]) > 0.0
    };
    for j in 0..6 {
        let count = inputs
            .rows()
            .into_iter()
            .filter(|x| active(x.view(), j))
            .count();
        assert_eq!(
            scores.tensors[0].values[4 * j..4 * j + 4],
            [count as f32 / 50.0; 4]
        );
    }
    let rates: Vec<f32> = scores.tensors[0]
        .values
        .iter()
        .step_by(4)
        .copied()
        .collect();
    assert!(rates.iter().any(|r| *r != rates[0]), "{rates:?}");
    let missing = score(&network, &ActivationRate, &Known::nothing()).unwrap_err();
    assert!(missing.to_string().contains("find_activity"), "{missing}");
    Ok(())
}

#[test]
fn neurons_by_gradient_are_pruned_as_a_user_would() {
    let mut network = Chain::random(&[3, 4, 2], 5);
    // Only neuron 2 has a gradient.
    network
        .visit_gradients(&mut |gradient| {
            if gradient.name == "layers.0.weight" {
                gradient.values[6..9].fill(1.0);
            }
            Ok(())
        })
        .unwrap();
    let mut known = Known::nothing();
    known.take_gradients(&mut network).unwrap();
    let kept = NeuronsKept::Counts(vec![1]);
    let row = network.parameters[0].matrix().row(2).to_vec();
    prune_neurons(&mut network, &NeuronTaylor, known, &kept).unwrap();
    assert_eq!(network.parameters[0].values(), row);
}
