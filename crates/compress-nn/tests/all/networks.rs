//! Networks from parts and files, edits of them, and what evaluation says.

use compress_core::codec::{Granularity, Grid, QuantizedTensor, Tensor};
use compress_core::network::{Activation, Edit, Forward, LayerRemoval, Network, Parameter};
use compress_core::observe::{Place, Tap, Tapped};
use compress_core::parameters;
use compress_core::train::{ArraySamples, Batch, Loss};
use compress_core::{Error, Result};
use compress_format::artifact::Artifact;
use compress_nn::{CrossEntropy, Init, Mlp, evaluate};
use ndarray::{Array2, ArrayView2, array};

use crate::support::{bits, keep};

fn network(hidden: Activation) -> Mlp {
    let mut network = Mlp::new(&[3, 5, 4, 2], hidden, Init::XavierUniform, 3, "test").unwrap();
    for (i, p) in network.parameters_mut().into_iter().enumerate() {
        let add = 0.1 * (i as f32 + 1.0);
        p.values_mut().iter_mut().step_by(2).for_each(|v| *v += add);
    }
    network
}

fn inputs() -> Array2<f32> {
    Array2::from_shape_fn((7, 3), |(i, j)| ((i * 5 + j * 3) % 7) as f32 / 3.0 - 1.0)
}

#[test]
fn folding_a_linear_layer_changes_no_output() {
    let linear = network(Activation::Identity);
    for layer in ["layers.0", "layers.1"] {
        let mut folded = linear.clone();
        folded.remove_layer(layer, LayerRemoval::Fold).unwrap();
        assert_eq!(folded.architecture().layers.len(), 2);
        folded.architecture().validate().unwrap();
        let before = linear.forward(inputs().view()).unwrap();
        let after = folded.forward(inputs().view()).unwrap();
        for (a, b) in before.iter().zip(&after) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}

#[test]
fn a_refused_edit_changes_nothing() {
    let before = network(Activation::Relu);
    let mut after = before.clone();
    for (what, group, marks) in [
        ("outputs", "layers.2", &[true, false][..]),
        ("length", "layers.0", &[true; 4]),
        ("nothing left", "layers.0", &[false; 5]),
        ("no such layer", "layers.7", &[true]),
        ("no input left", "inputs", &[false; 3]),
    ] {
        assert!(keep(&mut after, group, marks).is_err(), "{what}");
    }
    // A group of another network.
    let other = Mlp::new(&[3, 6, 4, 2], Activation::Relu, Init::HeNormal, 1, "t").unwrap();
    let group = other.graph().group("layers.0").unwrap();
    assert!(after.keep(&group, &[true; 6]).is_err());
    assert!(
        after
            .keep(&group, &[true, true, true, true, true, false])
            .is_err()
    );
    for (layer, how) in [
        ("layers.2", LayerRemoval::Fold),
        ("layers.0", LayerRemoval::Bypass),
        ("layers.7", LayerRemoval::Fold),
    ] {
        assert!(after.remove_layer(layer, how).is_err(), "{layer}");
    }
    assert_eq!(after, before);
}

#[test]
fn a_parameter_of_another_shape_is_an_error_and_no_panic() {
    let mut broken = network(Activation::Relu);
    *broken.parameters_mut()[2] = Parameter::weight("layers.1.weight", Array2::zeros((1, 1)));
    assert!(broken.forward(inputs().view()).is_err());
    let before = broken.clone();
    assert!(keep(&mut broken, "layers.0", &[true, false, true, true, true]).is_err());
    assert!(keep(&mut broken, "inputs", &[true, false, true]).is_err());
    assert!(broken.remove_layer("layers.1", LayerRemoval::Fold).is_err());
    assert_eq!(broken, before);
}

#[test]
fn parts_must_fit_the_architecture() {
    let good = network(Activation::Tanh);
    let architecture = good.architecture();
    let parts = || good.parameters().into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(
        Mlp::from_parts(architecture.clone(), parts()).unwrap(),
        good
    );
    let mut swapped = parts();
    swapped.swap(0, 1);
    let mut short = parts();
    short.pop();
    let mut nan = parts();
    nan[3].values_mut()[1] = f32::NAN;
    for (what, parts) in [("swapped", swapped), ("short", short), ("nan", nan)] {
        assert!(
            Mlp::from_parts(architecture.clone(), parts).is_err(),
            "{what}"
        );
    }
    for widths in [&[][..], &[3], &[3, 0, 2], &[usize::MAX, 3]] {
        assert!(Mlp::new(widths, Activation::Relu, Init::HeNormal, 1, "t").is_err());
    }
}

/// Writes down what it wants: what weights read, or what layers give.
struct Seen {
    values: bool,
    rows: Vec<(String, Array2<f32>)>,
}

impl Tap for Seen {
    fn wants(&self, place: Place<'_>) -> bool {
        self.values == matches!(place, Place::Value(_))
    }

    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        self.rows.push((place.name().to_owned(), rows.to_owned()));
        Ok(())
    }
}

#[test]
fn a_tap_sees_what_each_weight_reads_and_each_layer_gives() {
    let mut network = network(Activation::Relu);
    keep(&mut network, "inputs", &[true, false, true]).unwrap();
    let [read, given] = [false, true].map(|values| {
        let rows = Vec::new();
        let mut seen = Seen { values, rows };
        network.run_tapped(inputs().view(), &mut seen).unwrap();
        seen.rows
    });
    let shapes = |rows: &[(String, Array2<f32>)]| -> Vec<(String, usize)> {
        let shape = |(name, x): &(String, Array2<f32>)| (name.clone(), x.ncols());
        rows.iter().map(shape).collect()
    };
    let expected = [("layers.0", 2), ("layers.1", 5), ("layers.2", 4)];
    let expected = expected.map(|(layer, width)| (format!("{layer}.weight"), width));
    assert_eq!(shapes(&read), expected);
    let expected = [("layers.0", 5), ("layers.1", 4), ("layers.2", 2)];
    assert_eq!(
        shapes(&given),
        expected.map(|(layer, width)| (layer.to_owned(), width))
    );
    assert_eq!(read[0].1.column(1), inputs().column(2));
    assert!(read[1].1.iter().all(|&x| x >= 0.0), "after the ReLU");
    assert_eq!(read[1].1, given[0].1);
    assert_eq!(read[2].1, given[1].1);
    assert_eq!(given[2].1, network.forward(inputs().view()).unwrap());
    let narrow = inputs().slice_move(ndarray::s![.., ..2]);
    assert!(network.forward(narrow.view()).is_err());
}

#[test]
fn its_tensors_are_lent_by_name() {
    let mut network = network(Activation::Relu);
    let names = parameters::names(&network).unwrap();
    let expected = network.parameters();
    assert_eq!(names, Vec::from_iter(expected.iter().map(|p| p.name())));
    let count = network.architecture().parameter_count();
    assert_eq!(parameters::count(&network).unwrap(), count);
    let shape = parameters::with(&network, "layers.1.weight", |t| Ok(t.shape.to_vec()));
    assert_eq!(shape.unwrap(), [4, 5]);
    let double = |tensor: compress_core::tensor::TensorMut<'_>| {
        tensor.values.iter_mut().for_each(|v| *v *= 2.0);
        Ok(())
    };
    let before = network.parameters()[3].values().to_vec();
    parameters::with_mut(&mut network, "layers.1.bias", double).unwrap();
    let doubled: Vec<f32> = before.iter().map(|v| 2.0 * v).collect();
    assert_eq!(network.parameters()[3].values(), doubled);
    assert!(parameters::values(&network, "layers.9.bias").is_err());
}

#[test]
fn edits_change_what_they_say() {
    let mut network = Mlp::new(&[3, 4, 4, 2], Activation::Relu, Init::HeUniform, 1, "e").unwrap();
    let x = array![[0.3, -0.2, 0.9]];
    let before = network.clone();
    keep(&mut network, "layers.0", &[true, false, true, true]).unwrap();
    keep(&mut network, "inputs", &[true, false, true]).unwrap();
    let architecture = network.architecture();
    assert_eq!(architecture.selected, Some(vec![0, 2]));
    assert_eq!(architecture.layers[1].inputs, 3);
    // The same as zeroing what the removed neuron and input feed.
    let mut zeroed = before.clone();
    let mut parameters = zeroed.parameters_mut();
    (0..4).for_each(|row| parameters[0].values_mut()[row * 3 + 1] = 0.0);
    (0..4).for_each(|row| parameters[2].values_mut()[row * 4 + 1] = 0.0);
    assert_eq!(
        network.forward(x.view()).unwrap(),
        zeroed.forward(x.view()).unwrap()
    );

    let bypass = |network: &mut Mlp, layer| network.remove_layer(layer, LayerRemoval::Bypass);
    let error = bypass(&mut before.clone(), "layers.0").unwrap_err();
    let error = error.to_string();
    assert!(error.contains("layers.0 -> layers.1"), "{error}");
    let mut bypassed = before.clone();
    bypass(&mut bypassed, "layers.1").unwrap();
    let layers = bypassed.architecture().layers;
    assert_eq!(
        Vec::from_iter(layers.iter().map(|l| l.name.as_str())),
        ["layers.0", "layers.2"]
    );
    assert_eq!(bypassed.parameters()[2], before.parameters()[4]);
}

#[test]
fn a_file_gives_the_network_back() {
    let network = network(Activation::Gelu);
    let artifact = Artifact::of_chain(network.architecture(), network.to_tensors()).unwrap();
    let (bytes, _) = artifact.to_bytes().unwrap();
    let read = Artifact::from_bytes(&bytes).unwrap();
    let back = Mlp::from_tensors(read.architecture, &read.tensors).unwrap();
    assert_eq!(bits(&back), bits(&network));
}

#[test]
fn tensors_are_dequantized() {
    let network = network(Activation::Relu);
    let mut tensors = network.to_tensors();
    let grid = Grid::Linear {
        bits: 4,
        granularity: Granularity::Tensor,
        scales: vec![0.25],
        zero_points: Vec::new(),
    };
    let codes: Vec<i32> = (0..15).map(|i| i - 7).collect();
    let tensor = QuantizedTensor::new("layers.0.weight", &[5, 3], grid, codes.clone()).unwrap();
    tensors[0] = Tensor::Quantized(tensor);
    let read = Mlp::from_tensors(network.architecture(), &tensors).unwrap();
    let expected: Vec<f32> = codes.iter().map(|&c| 0.25 * c as f32).collect();
    assert_eq!(read.parameters()[0].values(), expected);
    assert_eq!(
        read.parameters()[5].values(),
        network.parameters()[5].values()
    );
    let mut missing = tensors.clone();
    missing.remove(3);
    assert!(matches!(
        Mlp::from_tensors(network.architecture(), &missing)
            .unwrap_err()
            .into(),
        Error::UnknownTensor { .. }
    ));
    tensors.push(tensors[1].clone());
    assert!(
        Mlp::from_tensors(network.architecture(), &tensors).is_err(),
        "one too many"
    );
}

/// A network that passes its two inputs on as logits.
fn identity() -> Mlp {
    let mut network = Mlp::new(&[2, 2], Activation::Relu, Init::HeNormal, 1, "t").unwrap();
    network.parameters_mut()[0]
        .values_mut()
        .copy_from_slice(&[1.0, 0.0, 0.0, 1.0]);
    network
}

#[test]
fn evaluation_counts_errors_and_averages_cross_entropy() {
    // Right; wrong; a tie, where the first class wins: right for 0, wrong for 1.
    let inputs = array![[2.0, 0.0], [2.0, 0.0], [1.0, 1.0], [1.0, 1.0]];
    let data = ArraySamples::new(inputs, vec![0, 1, 0, 1]).unwrap();
    let found = evaluate(&identity(), &data).unwrap();
    assert_eq!((found.errors, found.samples), (2, 4));
    let right = (1.0 + (-2.0_f64).exp()).ln();
    let expected = (right + (right + 2.0) + 2.0 * 2.0_f64.ln()) / 4.0;
    assert!((f64::from(found.cross_entropy) - expected).abs() < 1e-6);
}

#[test]
fn evaluation_over_more_than_one_batch_is_that_of_all_samples() {
    let value = |(i, j)| if i % 3 == 0 && j == 1 { 1.0 } else { 0.5 };
    let inputs = Array2::from_shape_fn((1100, 2), value);
    let data = ArraySamples::new(inputs, vec![0; 1100]).unwrap();
    let found = evaluate(&identity(), &data).unwrap();
    assert_eq!((found.errors, found.samples), (367, 1100));
}

#[test]
fn evaluation_refuses_what_it_cannot_count() {
    let unlabelled = ArraySamples::new(array![[1.0, 2.0]], Vec::new()).unwrap();
    assert!(evaluate(&identity(), &unlabelled).is_err());
    let label = ArraySamples::new(array![[1.0, 2.0]], vec![2]).unwrap();
    let error = evaluate(&identity(), &label).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Label {
                index: 0,
                label: 2,
                classes: 2
            }
        ),
        "{error}"
    );
    let mut infinite = identity();
    infinite.parameters_mut()[0].values_mut()[0] = f32::MAX;
    let large = ArraySamples::new(array![[1e10, 0.0]], vec![0]).unwrap();
    assert!(matches!(
        evaluate(&infinite, &large),
        Err(Error::NonFinite { .. })
    ));
}

#[test]
fn cross_entropy_of_extreme_logits_is_finite_and_its_gradient_bounded() {
    let logits = array![[1000.0, -1000.0], [0.0, -0.0]];
    let mut gradient = Array2::zeros((2, 2));
    let batch = Batch {
        inputs: logits.view(),
        labels: &[1, 0],
        indices: &[4, 9],
        epoch: 0,
    };
    let loss = CrossEntropy
        .evaluate(logits.view(), &batch, gradient.view_mut())
        .unwrap();
    assert!((loss - (2000.0 + 2.0_f32.ln()) / 2.0).abs() < 1e-3);
    assert_eq!(gradient.row(0), array![0.5, -0.5]);
    assert!((gradient[(1, 0)] + 0.25).abs() < 1e-6 && (gradient[(1, 1)] - 0.25).abs() < 1e-6);
}

/// A network whose logits lie column by column, with one of them replaced.
struct ByColumn(Mlp, Option<f32>);

impl Forward for ByColumn {
    fn features(&self) -> usize {
        self.0.features()
    }

    fn outputs(&self) -> usize {
        self.0.outputs()
    }

    fn forward(&self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let mut logits = self.0.forward(inputs)?.reversed_axes();
        if let Some(value) = self.1 {
            logits[(1, 4)] = value;
        }
        Ok(logits.as_standard_layout().into_owned().reversed_axes())
    }
}

#[test]
fn logits_of_any_layout_are_checked() {
    let data = ArraySamples::new(inputs(), vec![0, 1, 0, 1, 0, 1, 0]).unwrap();
    let plain = network(Activation::Tanh);
    let by_column = |value| ByColumn(plain.clone(), value);
    let strided = by_column(None).forward(inputs().view()).unwrap();
    assert!(!strided.is_standard_layout());
    let expected = evaluate(&plain, &data).unwrap();
    assert_eq!(evaluate(&by_column(None), &data).unwrap(), expected);
    for value in [f32::NAN, -f32::NAN, f32::INFINITY] {
        let error = evaluate(&by_column(Some(value)), &data).unwrap_err();
        // Of sample 4, class 1, of 2 classes.
        assert!(
            matches!(error, Error::NonFinite { index: 9, .. }),
            "{error}"
        );
    }
}
