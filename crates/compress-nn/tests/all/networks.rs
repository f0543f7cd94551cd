//! Networks from parts and files, edits of them, and what evaluation says.

use compress_core::codec::{Granularity, Grid, QuantizedTensor, Tensor};
use compress_core::network::{Activation, LayerRemoval, LayerSpec, Network, Parameter, Tap};
use compress_core::train::{ArraySamples, Batch, Loss};
use compress_core::{Error, Result};
use compress_nn::{CrossEntropy, Init, Mlp, evaluate};
use ndarray::{Array2, ArrayView2, array};

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
    for layer in [0, 1] {
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
    assert!(after.remove_neurons(2, &[true, false]).is_err(), "outputs");
    assert!(after.remove_neurons(0, &[true; 4]).is_err(), "length");
    assert!(
        after.remove_neurons(0, &[false; 5]).is_err(),
        "nothing left"
    );
    assert!(after.remove_neurons(7, &[true]).is_err(), "no such layer");
    assert!(after.remove_inputs(&[false; 3]).is_err());
    assert!(after.remove_layer(2, LayerRemoval::Fold).is_err());
    assert!(after.remove_layer(0, LayerRemoval::Bypass).is_err());
    assert_eq!(after, before);
}

#[test]
fn a_parameter_of_another_shape_is_an_error_and_no_panic() {
    let mut broken = network(Activation::Relu);
    *broken.parameters_mut()[2] = Parameter::weight("layers.1.weight", Array2::zeros((1, 1)));
    assert!(broken.forward(inputs().view()).is_err());
    assert!(
        broken
            .remove_neurons(0, &[true, false, true, true, true])
            .is_err()
    );
    assert!(broken.remove_inputs(&[true, false, true]).is_err());
    assert!(broken.remove_layer(1, LayerRemoval::Fold).is_err());
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

/// Writes down what each layer reads.
#[derive(Default)]
struct Record(Vec<(usize, String, Array2<f32>)>);

impl Tap for Record {
    fn observe(&mut self, index: usize, layer: &LayerSpec, x: ArrayView2<'_, f32>) -> Result<()> {
        self.0.push((index, layer.name.clone(), x.to_owned()));
        Ok(())
    }
}

#[test]
fn a_tap_sees_what_each_layer_reads() {
    let mut network = network(Activation::Relu);
    network.remove_inputs(&[true, false, true]).unwrap();
    let mut record = Record::default();
    let logits = network
        .forward_tapped(inputs().view(), &mut record)
        .unwrap();
    assert_eq!(logits, network.forward(inputs().view()).unwrap());
    let widths: Vec<_> = record
        .0
        .iter()
        .map(|(i, name, x)| (*i, name.as_str(), x.ncols()))
        .collect();
    assert_eq!(
        widths,
        [(0, "layers.0", 2), (1, "layers.1", 5), (2, "layers.2", 4)]
    );
    assert_eq!(record.0[0].2.column(1), inputs().column(2));
    assert!(record.0[1].2.iter().all(|&x| x >= 0.0), "after the ReLU");
    assert!(
        network
            .forward(inputs().slice_move(ndarray::s![.., ..2]).view())
            .is_err()
    );
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
#[derive(Clone)]
struct ByColumn(Mlp, Option<f32>);

impl Network for ByColumn {
    fn architecture(&self) -> compress_core::network::Architecture {
        self.0.architecture()
    }

    fn parameters(&self) -> Vec<&Parameter> {
        self.0.parameters()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.0.parameters_mut()
    }

    fn forward(&self, inputs: ArrayView2<'_, f32>) -> compress_core::Result<Array2<f32>> {
        let mut logits = self.0.forward(inputs)?.reversed_axes();
        if let Some(value) = self.1 {
            logits[(1, 4)] = value;
        }
        Ok(logits.as_standard_layout().into_owned().reversed_axes())
    }

    fn forward_tapped(
        &self,
        inputs: ArrayView2<'_, f32>,
        tap: &mut dyn Tap,
    ) -> compress_core::Result<Array2<f32>> {
        self.0.forward_tapped(inputs, tap)
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
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
