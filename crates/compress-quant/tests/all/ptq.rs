//! Quantization after training, and the reports of what it costs.

use compress_core::codec::{Grid, QuantizedTensor, Tensor};
use compress_core::network::Network;
use compress_core::observe::{Observe, OnSamples, Place, Tap};
use compress_core::parameters::Lent;
use compress_core::tensor::Role;
use compress_core::{Error, Result};
use compress_quant::Granularity;
use compress_quant::ptq::{ErrorReport, Others, load_into, quantize_model};
use compress_quant::qat::{FakeQuantize, Target};
use compress_quant::schemes::{LinearAffine, LinearSymmetric, Range};
use compress_testing::{Chain, blobs};
use ndarray::{Array1, Array2, arr2};

const WEIGHTS: Target<'static> = Target::Role(Role::Weight);
const BIASES: Target<'static> = Target::Role(Role::Bias);

fn four_bits() -> LinearSymmetric {
    LinearSymmetric::new(4, Granularity::Tensor, Range::LeastSquares).unwrap()
}

fn eight_bits() -> LinearAffine {
    LinearAffine::new(8, Granularity::Channel, Range::AbsMax).unwrap()
}

#[test]
fn quantizing_after_training() {
    let network = Chain::normal(&[40, 30, 10], 2);
    let (four, eight) = (four_bits(), eight_bits());
    let artifact = quantize_model(&network, &four, Others::Float).unwrap();
    for (tensor, parameter) in artifact.iter().zip(&network.parameters) {
        match tensor {
            Tensor::Float {
                name,
                shape,
                values,
            } => {
                assert_eq!(
                    (name.as_str(), shape.as_slice()),
                    (parameter.name(), parameter.shape())
                );
                assert_eq!(values, parameter.values());
                assert_eq!(parameter.role(), Role::Bias);
            }
            Tensor::Quantized(tensor) => {
                tensor.validate().unwrap();
                assert_eq!(tensor.name, parameter.name());
                assert_eq!(tensor.shape, parameter.shape());
                assert_eq!(parameter.role(), Role::Weight);
            }
            Tensor::Blocks(_) => panic!("blocks were not asked for"),
        }
    }
    let both = quantize_model(&network, &four, Others::Biases(&eight)).unwrap();
    assert!(both.iter().all(|t| matches!(t, Tensor::Quantized(_))));
    let hook = FakeQuantize::fit(&network, &[(WEIGHTS, &four), (BIASES, &eight)]).unwrap();
    assert_eq!(hook.to_tensors(&network).unwrap(), both);
}

#[test]
fn a_report_of_errors() {
    let network = Chain::normal(&[40, 30, 10], 2);
    let four = four_bits();
    let artifact = quantize_model(&network, &four, Others::Float).unwrap();
    let report = ErrorReport::of_tensors(&network, &artifact).unwrap();
    let mut copy = network.boxed_clone();
    load_into(&artifact, copy.as_mut()).unwrap();
    assert_eq!(
        ErrorReport::between(&network, copy.as_ref()).unwrap(),
        report
    );

    assert_eq!(report.tensors.len(), 4);
    assert_eq!(report.tensors[1].sqnr_db, f64::INFINITY);
    let weight = &report.tensors[0];
    let Tensor::Quantized(QuantizedTensor { grid, .. }) = &artifact[0] else {
        panic!("not quantized")
    };
    assert!(matches!(grid, Grid::Linear { bits: 4, .. }));
    let decibels = 10.0 * (weight.signal / weight.squared_error).log10();
    assert!((weight.sqnr_db - decibels).abs() < 1e-4);
    assert!(decibels > 17.0 && weight.cosine > 0.99 && weight.max_error > 0.0);
    assert_eq!(report.worst(9).len(), 4);
    let worst = report.worst(2);
    assert!(worst.iter().all(|t| t.name.ends_with("weight")));
    assert!(worst[0].sqnr_db <= worst[1].sqnr_db);
    let overall = report.sqnr_db().unwrap();
    assert!(overall > worst[0].sqnr_db);
    let table = report.to_string();
    assert_eq!(table.lines().count(), 5);
    assert!(table.contains("layers.1.bias") && table.contains("inf"));

    let other = Chain::normal(&[40, 31, 10], 2);
    assert!(ErrorReport::between(&network, &other).is_err());
    assert!(ErrorReport::of_tensors(&other, &artifact).is_err());
    let mut other = other;
    let before = other.values();
    assert!(load_into(&artifact, &mut other).is_err());
    assert_eq!(other.values(), before);
}

#[test]
fn tensors_are_not_loaded_into_another_network() {
    let tensors = |widths: &[usize]| {
        let network = Chain::normal(widths, 2);
        quantize_model(&network, &four_bits(), Others::Float).unwrap()
    };
    let mut network = Chain::normal(&[4, 3, 2], 1);
    let before = network.values();
    let good = tensors(&[4, 3, 2]);
    let mut twice = good.clone();
    twice[2] = twice[0].clone();
    let mut short = good.clone();
    short.pop();
    for (tensors, words) in [
        // A layer of the network would keep its random weights.
        (tensors(&[4, 3]), "the list of tensors"),
        (tensors(&[4, 5, 2]), "layers.0.weight"),
        (twice, "layers.0.weight again"),
        (short, "the list of tensors"),
    ] {
        let error = load_into(&tensors, &mut network).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
        assert_eq!(network.values(), before);
    }
    load_into(&good, &mut network).unwrap();
    assert_ne!(network.values(), before);
}

#[test]
fn infinite_parameters_are_refused() {
    let four = four_bits();
    let mut infinite = Chain::normal(&[4, 3, 2], 2);
    infinite.parameters[1].values_mut()[0] = f32::INFINITY;
    assert!(quantize_model(&infinite, &four, Others::Float).is_err());
}

#[test]
fn a_model_without_a_weight_is_refused() {
    let mut bias = Array1::from(vec![0.5_f32, -1.0]);
    let model = Lent::new()
        .tensor("bias", Role::Bias, bias.view_mut())
        .unwrap();
    let scheme = four_bits();
    for others in [Others::Float, Others::Biases(&scheme)] {
        for model in [&model, &Lent::new()] {
            let error = quantize_model(model, &scheme, others).unwrap_err();
            let words = error.to_string();
            assert!(words.contains("the list of weights to quantize"), "{words}");
        }
    }
}

#[test]
fn what_is_neither_weight_nor_bias_stays_in_full_precision() {
    let mut weight = arr2(&[[0.5_f32, -1.0], [0.25, 0.125]]);
    let (mut gain, mut bias) = (weight.row(0).to_owned(), weight.row(1).to_owned());
    let model = Lent::new()
        .weight("weight", weight.view_mut())
        .and_then(|m| m.tensor("gain", Role::Other, gain.view_mut()))
        .and_then(|m| m.tensor("bias", Role::Bias, bias.view_mut()))
        .unwrap();
    let scheme = four_bits();
    for (others, quantized) in [
        (Others::Float, [true, false, false]),
        (Others::Biases(&scheme), [true, false, true]),
    ] {
        let tensors = quantize_model(&model, &scheme, others).unwrap();
        let found = tensors.iter().map(|t| matches!(t, Tensor::Quantized(_)));
        assert_eq!(found.collect::<Vec<_>>(), quantized);
        assert_eq!(tensors[1].values().unwrap(), [0.5, -1.0]);
        let report = ErrorReport::of_tensors(&model, &tensors).unwrap();
        assert_eq!(report.tensors[1].squared_error, 0.0);
    }
    // Where an assignment asks for it, it is quantized.
    let hook = FakeQuantize::fit(&model, &[(Target::Role(Role::Other), &scheme)]).unwrap();
    assert!(hook.codec("gain").is_some() && hook.codec("weight").is_none());
}

/// Gives the rows of two values, batch by batch.
struct Given(Vec<[Array2<f32>; 2]>);

impl Observe for Given {
    fn batches(&self) -> usize {
        self.0.len()
    }

    fn observe_batch(&self, batch: usize, tap: &mut dyn Tap) -> Result<()> {
        for (name, rows) in ["hidden", "out"].iter().zip(&self.0[batch]) {
            if tap.wants(Place::Value(name)) {
                tap.observe(Place::Value(name), rows.view())?;
            }
        }
        Ok(())
    }
}

#[test]
fn activations_are_compared_over_all_batches() {
    let original = Given(vec![
        [arr2(&[[3.0, 4.0]]), arr2(&[[1.0]])],
        [arr2(&[[0.0, 0.0]]), arr2(&[[2.0]])],
    ]);
    let compressed = Given(vec![
        [arr2(&[[3.0, -4.0]]), arr2(&[[1.0]])],
        [arr2(&[[1.0, 0.0]]), arr2(&[[2.0]])],
    ]);
    let between = |values: &[&str]| ErrorReport::of_activations(&original, &compressed, values);
    // In the order asked for.
    let report = between(&["out", "hidden"]).unwrap();
    let [out, hidden] = &report.tensors[..] else {
        panic!("{report}")
    };
    assert_eq!((out.name.as_str(), out.count), ("out", 2));
    assert_eq!((out.signal, out.squared_error), (5.0, 0.0));
    assert!((out.cosine - 1.0).abs() < 1e-15 && out.sqnr_db == f64::INFINITY);
    assert_eq!((hidden.name.as_str(), hidden.count), ("hidden", 4));
    assert_eq!((hidden.signal, hidden.squared_error), (25.0, 64.0 + 1.0));
    assert_eq!(hidden.max_error, 8.0);
    assert!((hidden.cosine - -7.0 / (5.0 * 26_f64.sqrt())).abs() < 1e-15);
    assert!((hidden.sqnr_db - 10.0 * (25_f64 / 65.0).log10()).abs() < 1e-5);

    let unseen = between(&["out", "elsewhere"]).unwrap_err();
    assert!(matches!(&unseen, Error::Unseen { place } if place == "the value elsewhere"));
    assert!(between(&[]).unwrap().tensors.is_empty());
    // One that is asked for twice is there twice.
    let twice = between(&["hidden", "out", "hidden"]).unwrap().tensors;
    assert_eq!([&twice[0], &twice[1], &twice[2]], [hidden, out, hidden]);
    let against = |other: Given| {
        let report = ErrorReport::of_activations(&original, &other, &["hidden"]);
        report.unwrap_err().to_string()
    };
    let row = || [arr2(&[[3.0, 4.0]]), arr2(&[[1.0]])];
    assert!(against(Given(vec![row()])).contains("batches"));
    assert!(against(Given(vec![])).contains("batches"));
    let wider = [arr2(&[[0.0; 3]]), arr2(&[[1.0]])];
    assert!(against(Given(vec![row(), wider])).contains("the value hidden"));
    for bad in [f32::NAN, -f32::NAN, f32::NEG_INFINITY] {
        let broken = [arr2(&[[0.0, bad]]), arr2(&[[1.0]])];
        let words = against(Given(vec![row(), broken]));
        assert!(words.contains("the value hidden"), "{words}");
        assert!(words.contains("not finite"), "{words}");
    }
}

#[test]
fn errors_of_activations_grow_from_layer_to_layer() {
    let network = Chain::normal(&[6, 12, 8, 3], 4);
    let mut quantized = network.clone();
    let tensors = quantize_model(&network, &four_bits(), Others::Float).unwrap();
    load_into(&tensors, &mut quantized).unwrap();
    let data = blobs(700, 6, 3, 1);
    let [first, second] = [&network, &quantized].map(|n| OnSamples::new(n, &data));
    let layers = ["layers.0", "layers.1", "layers.2"];
    let report = ErrorReport::of_activations(&first, &second, &layers).unwrap();
    let counts = report.tensors.iter().map(|t| t.count / 700);
    assert_eq!(counts.collect::<Vec<_>>(), [12, 8, 3]);
    assert!(report.tensors[2].sqnr_db < report.tensors[0].sqnr_db);
    let same = ErrorReport::of_activations(&first, &first, &layers).unwrap();
    assert_eq!(same.sqnr_db().unwrap(), f64::INFINITY);
}
