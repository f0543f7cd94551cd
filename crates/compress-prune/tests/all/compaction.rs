//! What is removed for good: useless neurons and inputs, unimportant neurons, whole layers.

use compress_core::graph::{Graph, Group};
use compress_core::network::{Activation, Architecture, Forward, LayerRemoval};
use compress_core::parameters::{Change, See};
use compress_core::train::{ArraySamples, Samples, predict};
use compress_core::{Error as CoreError, Result, rng};
use compress_prune::*;
use compress_testing::{Chain, blobs};
use ndarray::{Array2, ArrayView2};
use proptest::prelude::*;

fn inputs(rows: usize, features: usize) -> Array2<f32> {
    let mut stream = rng::stream(3, "tests.inputs");
    Array2::from_shape_simple_fn((rows, features), || 2.0 * rng::uniform(&mut stream) - 1.0)
}

fn set_row(network: &mut Chain, layer: usize, row: usize, value: f32) {
    let width = network.architecture.layers[layer].inputs;
    network.parameters[2 * layer].values_mut()[row * width..(row + 1) * width].fill(value);
}

fn set_column(network: &mut Chain, layer: usize, column: usize, value: f32) {
    let width = network.architecture.layers[layer].inputs;
    network.parameters[2 * layer]
        .values_mut()
        .iter_mut()
        .skip(column)
        .step_by(width)
        .for_each(|w| *w = value);
}

/// Removes neurons by a criterion that needs to know nothing beside the values.
fn prune(
    model: &mut (impl Edit + ?Sized),
    criterion: &dyn Criterion,
    kept: NeuronsKept,
) -> compress_prune::Result<NeuronPruning> {
    prune_neurons(model, criterion, Known::nothing(), &kept)
}

fn bits(a: &Array2<f32>) -> Vec<u32> {
    a.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn what_nothing_reads_goes_and_the_bits_stay() {
    let mut network = Chain::random(&[6, 5, 7, 3], 1);
    set_column(&mut network, 2, 4, -0.0); // Neuron 4 of the second layer is read by nobody…
    set_column(&mut network, 1, 2, 0.0); // …and neuron 2 of the first by none…
    network.parameters[2].values_mut()[4 * 5 + 3] = 1.5;
    for row in (0..7).filter(|&r| r != 4) {
        network.parameters[2].values_mut()[row * 5 + 3] = 0.0; // …and neuron 3 only by that neuron 4.
    }
    set_column(&mut network, 0, 5, 0.0);
    let x = inputs(9, 6);
    let before = network.forward(x.view()).unwrap();
    let report = compact(&mut network).unwrap();
    assert_eq!(report.neurons_removed, [2, 1]);
    assert_eq!((report.neurons_folded, report.inputs_removed), (0, 1));
    assert_eq!(network.architecture.selected, Some(vec![0, 1, 2, 3, 4]));
    assert_eq!(report.parameters_before, 6 * 5 + 5 + 5 * 7 + 7 + 7 * 3 + 3);
    assert_eq!(report.parameters_after, 5 * 3 + 3 + 3 * 6 + 6 + 6 * 3 + 3);
    assert_eq!(
        report.parameters_after,
        network
            .parameters
            .iter()
            .map(|p| p.values().len())
            .sum::<usize>()
    );
    assert_eq!(bits(&network.forward(x.view()).unwrap()), bits(&before));
}

#[test]
fn constants_fold_through_every_activation() {
    for activation in [
        Activation::Identity,
        Activation::Relu,
        Activation::Gelu,
        Activation::Tanh,
    ] {
        let mut network = Chain::with_activation(&[4, 6, 5, 3], activation, 2);
        set_row(&mut network, 0, 1, 0.0);
        network.parameters[1].values_mut()[1] = 0.75;
        // Reads nothing but the constant: is one itself once that is folded.
        set_row(&mut network, 1, 2, 0.0);
        network.parameters[2].values_mut()[2 * 6 + 1] = 1.25;
        let x = inputs(9, 4);
        let before = network.forward(x.view()).unwrap();
        let report = compact(&mut network).unwrap();
        assert_eq!(report.neurons_removed, [1, 1], "{activation:?}");
        assert_eq!(report.neurons_folded, 2);
        let after = network.forward(x.view()).unwrap();
        let error = (&after - &before).fold(0.0_f32, |m, d| m.max(d.abs()));
        assert!(error < 1e-5, "{activation:?}: {error}");
    }
}

#[test]
fn a_silent_relu_neuron_goes_without_a_fold() {
    let mut network = Chain::random(&[4, 6, 3], 2);
    set_row(&mut network, 0, 1, 0.0);
    network.parameters[1].values_mut()[1] = -0.75;
    let x = inputs(9, 4);
    let before = network.forward(x.view()).unwrap();
    let report = compact(&mut network).unwrap();
    assert_eq!(
        (report.neurons_removed, report.neurons_folded),
        (vec![1], 0)
    );
    assert_eq!(bits(&network.forward(x.view()).unwrap()), bits(&before));
}

#[test]
fn one_neuron_and_one_input_always_stay() {
    let mut network = Chain::random(&[4, 6, 5, 3], 2);
    for weight in [0, 2, 4] {
        network.parameters[weight].values_mut().fill(0.0);
    }
    let x = inputs(2, 4);
    let before = network.forward(x.view()).unwrap();
    let report = compact(&mut network).unwrap();
    assert_eq!(report.neurons_removed, [5, 4]);
    assert_eq!(report.inputs_removed, 3);
    network.architecture.validate().unwrap();
    assert_eq!(network.forward(x.view()).unwrap(), before);
    let again = compact(&mut network).unwrap();
    assert_eq!(again.parameters_before, again.parameters_after);
    let mut single = Chain::random(&[4, 3], 2);
    assert!(compact(&mut single).unwrap().neurons_removed.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn compacting_any_pruned_network_changes_no_output(
        seed in any::<u64>(), density in 0.01..0.6_f64, tanh in any::<bool>(),
    ) {
        let activation = if tanh { Activation::Tanh } else { Activation::Relu };
        let mut network = Chain::with_activation(&[8, 10, 9, 3], activation, seed);
        let scores = score(&network, &Magnitude, &Known::nothing()).unwrap();
        crate::masks::best(&scores, density).apply(&mut network).unwrap();
        let x = inputs(7, 8);
        let before = network.forward(x.view()).unwrap();
        let report = compact(&mut network).unwrap();
        network.architecture.validate().unwrap();
        let after = network.forward(x.view()).unwrap();
        if report.neurons_folded == 0 {
            prop_assert_eq!(&after, &before);
        }
        for (a, b) in after.iter().zip(&before) {
            prop_assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{} {}", a, b);
        }
        // A fixpoint: every hidden neuron is read and varies, or is the last of its layer.
        prop_assert_eq!(compact(&mut network).unwrap().neurons_removed, vec![0; 2]);
    }
}

#[test]
fn a_masked_neuron_is_a_removed_neuron() {
    let network = Chain::random(&[8, 10, 9, 3], 4);
    let criterion = NeuronNorm::default();
    let scores = score(&network, &criterion, &Known::nothing()).unwrap();
    let neurons = Neurons::of(&network.graph());
    let mask = neurons.mask(&scores, 0.4).unwrap();
    let mut masked = network.clone();
    mask.apply(&mut masked).unwrap();
    compact(&mut masked).unwrap();
    let mut removed = network;
    let report = prune(&mut removed, &criterion, NeuronsKept::Fraction(0.4)).unwrap();
    assert_eq!(report.removed, [6, 5]);
    assert_eq!(
        report.parameters_after,
        removed.architecture.parameter_count()
    );
    assert_eq!(masked.architecture, removed.architecture);
    assert_eq!(masked.parameters, removed.parameters);
}

#[test]
fn what_is_not_finite_is_refused_by_name() {
    let mut network = Chain::random(&[4, 6, 3], 2);
    set_row(&mut network, 0, 1, 0.0);
    network.parameters[3].values_mut()[0] = f32::NAN;
    let before = network.architecture.clone();
    assert!(
        compact(&mut network)
            .unwrap_err()
            .to_string()
            .contains("layers.1.bias")
    );
    assert_eq!(network.architecture, before);
}

/// A network that cannot be edited.
struct Rigid(Chain);

impl Parameters for Rigid {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        self.0.visit(see)
    }
    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        self.0.visit_mut(change)
    }
}

impl Forward for Rigid {
    fn features(&self) -> usize {
        self.0.features()
    }
    fn outputs(&self) -> usize {
        self.0.outputs()
    }
    fn forward(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        self.0.forward(inputs)
    }
}

impl Edit for Rigid {
    fn graph(&self) -> Graph {
        self.0.graph()
    }
    fn keep(&mut self, group: &Group, _: &[bool]) -> Result<()> {
        Err(CoreError::Refused {
            layer: group.name.clone(),
            reason: "this network does not support removing neurons".into(),
        })
    }
}

impl Network for Rigid {
    fn architecture(&self) -> Architecture {
        self.0.architecture()
    }
    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(Rigid(self.0.clone()))
    }
}

#[test]
fn a_network_that_refuses_edits_stays_as_it_is() {
    let mut network = Chain::random(&[4, 6, 6, 3], 2);
    set_column(&mut network, 0, 1, 0.0);
    let mut rigid = Rigid(network.clone());
    let report = compact(&mut rigid).unwrap();
    assert_eq!(report.inputs_removed, 0);
    assert!(report.inputs_refused.unwrap().contains("does not support"));

    set_row(&mut network, 0, 1, 0.0);
    network.parameters[1].values_mut()[1] = 2.0;
    let mut rigid = Rigid(network);
    let before = rigid.0.parameters.clone();
    assert!(compact(&mut rigid).is_err());
    assert!(prune(&mut rigid, &Magnitude, NeuronsKept::Fraction(0.5)).is_err());
    let error = prune_layer(&mut rigid, &LayerLoss, &blobs(8, 4, 3, 1))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("layers.0 by Fold: this network does not support removing layers"),
        "{error}"
    );
    assert_eq!(rigid.0.parameters, before);
}

#[test]
fn the_weakest_neurons_go() {
    let mut network = Chain::random(&[4, 5, 4, 3], 2);
    set_row(&mut network, 0, 0, 0.1);
    set_row(&mut network, 0, 3, 0.1);
    let survivors: Vec<f32> = [1, 2, 4]
        .iter()
        .flat_map(|&r| network.parameters[0].matrix().row(r).to_vec())
        .collect();
    let counts = NeuronsKept::Counts(vec![3, 4]);
    let report = prune(&mut network, &NeuronNorm::default(), counts).unwrap();
    assert_eq!(report.removed, [2, 0]);
    assert_eq!(network.parameters[0].values(), survivors);
    let report = prune(&mut network, &Magnitude, NeuronsKept::Fraction(0.0)).unwrap();
    assert_eq!(report.removed, [2, 3]);
    let mut single = Chain::random(&[4, 3], 2);
    assert!(
        prune(&mut single, &Magnitude, NeuronsKept::Fraction(0.5))
            .unwrap()
            .removed
            .is_empty()
    );
}

#[test]
fn counts_that_cannot_be_are_refused() {
    let mut network = Chain::random(&[4, 5, 3], 2);
    for counts in [vec![0], vec![6], vec![], vec![1, 1]] {
        assert!(prune(&mut network, &Magnitude, NeuronsKept::Counts(counts)).is_err());
    }
    for fraction in [-0.1, 1.5, f64::NAN] {
        assert!(prune(&mut network, &Magnitude, NeuronsKept::Fraction(fraction)).is_err());
    }
    assert_eq!(network.architecture.layers[0].outputs, 5);
}

/// Mean cross-entropy in f64, straight from its definition.
fn loss(network: &dyn Network, data: &dyn Samples) -> f64 {
    let logits = predict(network, data, 0).unwrap();
    let row = |(row, &label): (ndarray::ArrayView1<'_, f32>, &u32)| {
        let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
        sum.ln() - f64::from(row[label as usize])
    };
    logits
        .rows()
        .into_iter()
        .zip(data.labels())
        .map(row)
        .sum::<f64>()
        / data.len() as f64
}

#[test]
fn layers_are_scored_by_the_loss_without_them() {
    let network = Chain::random(&[8, 8, 20, 6, 3], 3);
    let validation = blobs(600, 8, 3, 1);
    let scores = score_layers(&network, &LayerLoss, &validation).unwrap();
    let ways: Vec<_> = scores.iter().map(|s| (&s.layer[..], s.how)).collect();
    let (bypass, fold) = (LayerRemoval::Bypass, LayerRemoval::Fold);
    assert_eq!(
        ways,
        [
            ("layers.0", bypass),
            ("layers.0", fold),
            ("layers.1", bypass),
            ("layers.1", fold),
            ("layers.2", bypass),
            ("layers.2", fold)
        ]
    );
    for score in &scores {
        let mut candidate = network.clone();
        match (&score.loss, candidate.remove_layer(&score.layer, score.how)) {
            (Ok(got), Ok(())) => {
                assert!((f64::from(*got) - loss(&candidate, &validation)).abs() < 1e-5)
            }
            (Err(reason), Err(error)) => assert!(error.to_string().contains(reason)),
            other => panic!("{score:?}: {other:?}"),
        }
    }
    assert!(scores[2].loss.is_err(), "a bypass of 8 to 20");
    assert!(scores[3].loss.is_ok());

    let mut pruned = network.clone();
    let removed = prune_layer(&mut pruned, &LayerLoss, &validation).unwrap();
    let best = scores
        .iter()
        .filter_map(|s| s.loss.as_ref().ok())
        .fold(f32::INFINITY, |m, &l| m.min(l));
    assert_eq!(removed.loss, Ok(best));
    assert!((f64::from(best) - loss(&pruned, &validation)).abs() < 1e-5);
    assert_eq!(pruned.architecture.layers.len(), 3);
}

#[test]
fn folding_a_linear_layer_loses_nothing() {
    let network = Chain::with_activation(&[6, 6, 3], Activation::Identity, 3);
    let validation = blobs(30, 6, 3, 1);
    let scores = score_layers(&network, &LayerLoss, &validation).unwrap();
    let kept = scores[1].loss.clone().unwrap();
    assert!((f64::from(kept) - loss(&network, &validation)).abs() < 1e-5);
}

#[test]
fn a_layer_that_cannot_go_is_an_error_with_the_reasons() {
    let validation = blobs(8, 4, 3, 1);
    let mut narrow = Chain::random(&[4, 1, 3], 1);
    let error = prune_layer(&mut narrow, &LayerLoss, &validation)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("layers.0 by Bypass") && error.contains("would not shrink"),
        "{error}"
    );
    let mut single = Chain::random(&[4, 3], 1);
    let error = prune_layer(&mut single, &LayerLoss, &validation)
        .unwrap_err()
        .to_string();
    assert!(error.contains("no hidden layer"), "{error}");
    let mut overflowing = Chain::random(&[4, 4, 3], 1);
    overflowing
        .parameters
        .iter_mut()
        .for_each(|p| p.values_mut().fill(3e38));
    let error = prune_layer(&mut overflowing, &LayerLoss, &validation)
        .unwrap_err()
        .to_string();
    assert!(error.contains("not a number"), "{error}");
}

#[test]
fn validation_samples_must_have_labels_of_the_network() {
    let network = Chain::random(&[4, 4, 3], 1);
    let unlabelled = ArraySamples::new(inputs(5, 4), Vec::new()).unwrap();
    assert!(score_layers(&network, &LayerLoss, &unlabelled).is_err());
    let beyond = ArraySamples::new(inputs(2, 4), vec![0, 3]).unwrap();
    let error = score_layers(&network, &LayerLoss, &beyond)
        .unwrap_err()
        .to_string();
    assert!(error.contains("label 3 of sample 1"), "{error}");
    assert!(score_layers(&network, &LayerLoss, &blobs(8, 5, 3, 1)).is_err());
}
