//! Least squares and bias correction, against plain sums over the samples.

use compress_core::Error as CoreError;
use compress_core::linalg::Damping;
use compress_core::network::{Edit, Forward, Parameter};
use compress_core::observe::WithSamples;
use compress_core::parameters;
use compress_core::samples::ArraySamples;
use compress_prune::*;
use compress_testing::{Chain, Convolutional, CrossEntropy, Sgd, blobs, normal};
use ndarray::{Array2, ArrayView2};

fn draw(name: &str, rows: usize, columns: usize) -> Array2<f32> {
    let values = normal(3, name, rows * columns);
    Array2::from_shape_vec((rows, columns), values).unwrap()
}

/// A layer with what it reads, before and after pruning.
struct Case {
    inputs: [Array2<f32>; 2],
    weights: [Array2<f32>; 2],
    biases: Option<[Vec<f32>; 2]>,
}

impl Case {
    /// Four outputs; the pruned layer reads other features than the original one. Of the last three
    /// rows, two have the same zeros, and one has nothing but zeros.
    fn new(samples: usize, bias: bool) -> Self {
        let original = draw("x", samples, 9) + 0.7;
        let now = Array2::from_shape_fn((samples, 7), |(i, j)| match j {
            3 => 0.0,
            5 => 1.5,
            _ => original[(i, j)] + 0.5 * original[(i, 8)] * j as f32,
        });
        let mut pruned = draw("pruned", 5, 7);
        for (row, column) in [(0, 1), (1, 2), (1, 4), (2, 0), (2, 6), (3, 0), (3, 6)] {
            pruned[(row, column)] = 0.0;
        }
        pruned.row_mut(4).fill(0.0);
        let biases = [
            vec![0.3, -1.0, 2.0, 0.0, 0.4],
            vec![0.3, -1.0, 2.0, 0.0, 0.0],
        ];
        Case {
            inputs: [original, now],
            weights: [draw("original", 5, 9), pruned],
            biases: bias.then_some(biases),
        }
    }

    fn layer(&self, i: usize) -> LayerView<'_> {
        let bias = self.biases.as_ref().map(|biases| &biases[i][..]);
        let weight = self.weights[i].view();
        LayerView {
            name: "w",
            weight,
            bias,
        }
    }

    fn products(&self) -> InputProducts {
        let [before, now] = &self.inputs;
        let mut products = InputProducts::new(before.ncols(), now.ncols()).unwrap();
        products.add(before.view(), now.view()).unwrap();
        products
    }

    fn repaired(&self, damping: &Damping) -> RepairedLayer {
        let products = self.products();
        reconstruct_layer(&self.layer(0), &self.layer(1), products, damping).unwrap()
    }

    fn squared_errors(&self, weight: &Array2<f32>, bias: Option<&[f32]>) -> Vec<f64> {
        let target = outputs(&self.inputs[0], self.layer(0));
        let name = "w";
        let found = outputs(
            &self.inputs[1],
            LayerView {
                name,
                weight: weight.view(),
                bias,
            },
        );
        let errors = (target - found).mapv(|d| d * d);
        errors.sum_axis(ndarray::Axis(0)).to_vec()
    }
}

fn outputs(inputs: &Array2<f32>, layer: LayerView<'_>) -> Array2<f64> {
    Array2::from_shape_fn((inputs.nrows(), layer.weight.nrows()), |(i, row)| {
        let products = inputs.row(i).into_iter().zip(layer.weight.row(row));
        let sum: f64 = products.map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
        sum + layer.bias.map_or(0.0, |bias| f64::from(bias[row]))
    })
}

/// By elimination with the largest pivot.
fn solve(mut a: Array2<f64>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for j in 0..n {
        let at = (j..n)
            .max_by(|&p, &q| a[(p, j)].abs().total_cmp(&a[(q, j)].abs()))
            .unwrap();
        for c in 0..n {
            a.swap((j, c), (at, c));
        }
        b.swap(j, at);
        for i in j + 1..n {
            let factor = a[(i, j)] / a[(j, j)];
            for c in 0..n {
                a[(i, c)] -= factor * a[(j, c)];
            }
            b[i] -= factor * b[j];
        }
    }
    for j in (0..n).rev() {
        let known: f64 = (j + 1..n).map(|c| a[(j, c)] * b[c]).sum();
        b[j] = (b[j] - known) / a[(j, j)];
    }
    b
}

#[test]
fn the_fit_solves_the_normal_equations() {
    for (bias, share) in [(false, 0.0), (true, 0.0), (false, 0.05), (true, 0.05)] {
        let case = Case::new(50, bias);
        let damping = Damping {
            start: share,
            growth: 10.0,
            limit: 1.0,
        };
        let found = case.repaired(&damping);
        let (samples, now) = (50, &case.inputs[1]);
        let wanted = outputs(&case.inputs[0], case.layer(0));
        let is = outputs(now, case.layer(1));
        for row in 0..5 {
            // The columns that are solved for; a constant one is the bias's business.
            let constant = |j: usize| j == 3 || (bias && j == 5);
            let columns = (0..7).filter(|&j| case.weights[1][(row, j)] != 0.0 && !constant(j));
            let columns: Vec<usize> = columns.collect();
            let x = |i: usize, c: usize| match columns.get(c) {
                Some(&j) => f64::from(now[(i, j)]),
                None => 1.0,
            };
            let n = columns.len() + usize::from(bias);
            let sum = |f: &dyn Fn(usize) -> f64| (0..samples).map(f).sum::<f64>();
            let mut gram = Array2::from_shape_fn((n, n), |(c, d)| sum(&|i| x(i, c) * x(i, d)));
            let mean = |c: usize| if bias { sum(&|i| x(i, c)) / 50.0 } else { 0.0 };
            let squares = (0..columns.len()).map(|c| sum(&|i| (x(i, c) - mean(c)).powi(2)));
            let lambda = share * squares.sum::<f64>() / columns.len().max(1) as f64;
            (0..columns.len()).for_each(|c| gram[(c, c)] += lambda);
            let sides = (0..n).map(|c| sum(&|i| x(i, c) * (wanted[(i, row)] - is[(i, row)])));
            let sides = sides.collect();
            let gone = columns.is_empty();
            let change = if gone {
                vec![0.0; n]
            } else {
                solve(gram, sides)
            };
            for j in 0..7 {
                let by = columns
                    .iter()
                    .position(|&c| c == j)
                    .map_or(0.0, |c| change[c]);
                let expected = f64::from(case.weights[1][(row, j)]) + by;
                let found = f64::from(found.weight[(row, j)]);
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{row} {j}: {found} {expected}"
                );
            }
            if let (Some(found), Some(biases)) = (&found.bias, &case.biases) {
                let expected = f64::from(biases[1][row]) + change[n - 1];
                let found = f64::from(found[row]);
                assert!((found - expected).abs() < 1e-5, "{row}: {found} {expected}");
            }
        }
    }
}

#[test]
fn the_squared_error_never_grows() {
    for bias in [false, true] {
        for samples in [1, 2, 5, 8, 200] {
            let case = Case::new(samples, bias);
            let [_, pruned] = [0, 1].map(|i| case.layer(i));
            let before = case.squared_errors(&case.weights[1], pruned.bias);
            for start in [0.0, 1e-6, 0.01, 1.0] {
                let damping = Damping {
                    start,
                    growth: 10.0,
                    limit: 1.0,
                };
                let found = case.repaired(&damping);
                let after = case.squared_errors(&found.weight, found.bias.as_deref());
                for (row, (before, after)) in before.iter().zip(&after).enumerate() {
                    let what = format!("{bias} {samples} {start} {row}: {before} {after}");
                    assert!(*after <= before + 1e-9 * samples as f64, "{what}");
                    assert!(
                        row == 4 || start > 0.01 || samples == 1 || after < before,
                        "{what}"
                    );
                }
                for (now, was) in found.weight.iter().zip(&case.weights[1]) {
                    assert!(*was != 0.0 || *now == 0.0);
                }
                if let Some(bias) = &found.bias {
                    assert_eq!(bias[4], 0.0);
                }
            }
        }
    }
}

#[test]
fn a_corrected_bias_gives_each_output_its_mean_again() {
    let case = Case::new(30, true);
    let products = case.products();
    let [before, now] = [0, 1].map(|i| case.layer(i));
    let (x, is) = (products.original_means(), products.pruned_means());
    let bias = correct_bias(&before, &x, &now, &is).unwrap();
    let wanted = outputs(&case.inputs[0], before).sum_axis(ndarray::Axis(0));
    let corrected = LayerView {
        bias: Some(&bias),
        ..now
    };
    let found = outputs(&case.inputs[1], corrected).sum_axis(ndarray::Axis(0));
    for row in 0..4 {
        assert!((wanted[row] - found[row]).abs() < 1e-4, "{row}");
    }
    assert_eq!(bias[4], 0.0, "an output that is gone");
}

/// The squared difference of what two models give.
fn squared_error(a: &dyn Forward, b: &dyn Forward, inputs: ArrayView2<'_, f32>) -> f64 {
    let [a, b] = [a, b].map(|model| model.forward(inputs).unwrap());
    let squares = a.iter().zip(&b).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum()
}

#[test]
fn a_trained_chain_gets_back_most_of_what_its_neurons_did() {
    let data = blobs(600, 16, 5, 1);
    let mut trainer = Sgd::new(Chain::random(&[16, 40, 40, 5], 2));
    compress_core::train::Fit::fit(&mut trainer, &data, &CrossEntropy, &mut []).unwrap();
    let mut network = trainer.network;
    let mut masked = network.clone();
    let scores = score(&masked, &NeuronNorm::default(), &Known::nothing()).unwrap();
    let neurons = Neurons::of(&masked.graph()).mask(&scores, 0.7).unwrap();
    neurons.apply(&mut masked).unwrap();
    let (mut fitted, mut shifted, copy) = (masked.clone(), masked.clone(), network.clone());
    let original = WithSamples::new(&mut network, &data);
    reconstruct(
        &original,
        &mut WithSamples::new(&mut fitted, &data),
        &Damping::default(),
    )
    .unwrap();
    correct_biases(&original, &mut WithSamples::new(&mut shifted, &data)).unwrap();
    let held_out = blobs(600, 16, 5, 9);
    for inputs in [data.inputs(), held_out.inputs()] {
        let [masked, shifted, fitted] =
            [&masked, &shifted, &fitted].map(|model| squared_error(&copy, model, inputs));
        assert!(fitted <= 0.5 * masked && shifted < masked && fitted < shifted);
    }
    // What was masked is zero, and the network becomes as small as without repair.
    assert!(Mask::of_nonzeros(&fitted).unwrap().kept() <= neurons.kept());
    let before = fitted.forward(data.inputs()).unwrap();
    compact(&mut fitted).unwrap();
    assert_eq!(fitted.architecture.layers[1].outputs, 28);
    let after = fitted.forward(data.inputs()).unwrap();
    assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-3));
}

#[test]
fn the_mean_outputs_of_a_corrected_model_are_those_of_the_original() {
    let data = blobs(300, 6, 3, 1);
    let mut network = Chain::normal(&[6, 20, 4], 2);
    let mut pruned = network.clone();
    let scores = score(&pruned, &Magnitude, &Known::nothing()).unwrap();
    PerLayer
        .mask(&scores, 0.4)
        .unwrap()
        .apply(&mut pruned)
        .unwrap();
    let copy = network.clone();
    let original = WithSamples::new(&mut network, &data);
    correct_biases(&original, &mut WithSamples::new(&mut pruned, &data)).unwrap();
    let [wanted, found] = [&copy, &pruned].map(|model| {
        let outputs = model.forward(data.inputs()).unwrap();
        outputs.mean_axis(ndarray::Axis(0)).unwrap()
    });
    assert!((wanted - found).iter().all(|d| d.abs() < 1e-5));
}

#[test]
fn a_convolutional_network_gets_back_most_of_what_its_channels_did() {
    let (side, samples) = (8, 400);
    let images = |name: &str| {
        let images = draw(name, samples, side * side);
        ArraySamples::new(images, vec![]).unwrap()
    };
    let (data, held_out) = (images("images"), images("held out"));
    let mut network = Convolutional::correlated(side, &[10, 20], 6, 5);
    let mut masked = network.clone();
    // Three of each ten channels go: what computes them. What reads them reads zeros.
    for (conv, channels) in [("convs.0", 10), ("convs.1", 20)] {
        for channel in (0..channels).filter(|channel| channel % 10 < 3) {
            for tensor in ["weight", "bias"] {
                let parameter = masked.parameter_mut(&format!("{conv}.{tensor}"));
                let values = parameter.values_mut();
                let width = values.len() / channels;
                values[channel * width..(channel + 1) * width].fill(0.0);
            }
        }
    }
    let (mut fitted, copy) = (masked.clone(), network.clone());
    let original = WithSamples::new(&mut network, &data);
    let mut model = WithSamples::new(&mut fitted, &data);
    reconstruct(&original, &mut model, &Damping::default()).unwrap();
    for inputs in [data.inputs(), held_out.inputs()] {
        let [before, after] = [&masked, &fitted].map(|model| squared_error(&copy, model, inputs));
        assert!(after <= 0.5 * before, "{before} {after}");
    }
    // Gone is gone, and what reads a gone channel stays as it was.
    for name in parameters::names(&masked).unwrap() {
        let [was, now] = [&masked, &fitted].map(|model| parameters::values(model, &name).unwrap());
        let zeros = was.iter().zip(&now).filter(|(was, _)| **was == 0.0);
        assert!(zeros.into_iter().all(|(_, now)| *now == 0.0), "{name}");
    }
    let reader = |model| parameters::values(model, "convs.1.weight").unwrap();
    let (was, now) = (reader(&masked), reader(&fitted));
    assert_eq!(was[3 * 90..3 * 90 + 27], now[3 * 90..3 * 90 + 27]);
    assert_ne!(was[3 * 90 + 27..4 * 90], now[3 * 90 + 27..4 * 90]);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let case = Case::new(20, true);
    let products = case.products();
    let [original, pruned] = [0, 1].map(|i| case.layer(i));
    let fit = |original: &LayerView<'_>, pruned: &LayerView<'_>, products: &InputProducts| {
        let fitted = reconstruct_layer(original, pruned, products.clone(), &Damping::default());
        fitted.unwrap_err()
    };
    let unseen = InputProducts::new(9, 7).unwrap();
    assert!(matches!(
        fit(&original, &pruned, &unseen),
        CoreError::Empty { .. }
    ));
    fit(&original, &pruned, &InputProducts::new(7, 7).unwrap());
    fit(
        &original,
        &LayerView {
            bias: None,
            ..pruned
        },
        &products,
    );
    fit(
        &original,
        &LayerView {
            bias: Some(&[0.0; 4]),
            ..pruned
        },
        &products,
    );
    let mut broken = case.weights[0].clone();
    broken[(2, 1)] = f32::NAN;
    let broken = LayerView {
        weight: broken.view(),
        ..original
    };
    assert!(matches!(
        fit(&broken, &pruned, &products),
        CoreError::NonFinite { .. }
    ));
    let bias = Damping {
        start: f64::NAN,
        ..Damping::default()
    };
    assert!(reconstruct_layer(&original, &pruned, products.clone(), &bias).is_err());
    let mut products = products;
    let mut rows = Array2::<f32>::zeros((2, 9));
    let now = Array2::zeros((2, 7));
    assert!(
        products
            .add(rows.view(), now.slice(ndarray::s![..1, ..]))
            .is_err()
    );
    rows[(1, 1)] = f32::INFINITY;
    assert!(products.add(rows.view(), now.view()).is_err());
    assert_eq!(products, case.products());
    assert!(InputProducts::new(usize::MAX, 2).is_err());
    let means = [products.original_means(), products.pruned_means()];
    assert!(correct_bias(&original, &means[1], &pruned, &means[1]).is_err());
    assert!(correct_bias(&original, &[f64::NAN; 9], &pruned, &means[1]).is_err());
    let bare = [original, pruned].map(|layer| LayerView {
        bias: None,
        ..layer
    });
    assert!(correct_bias(&bare[0], &means[0], &bare[1], &means[1]).is_err());
}

#[test]
fn sums_beyond_f32_and_inputs_of_zeros_do_no_harm() {
    let mut case = Case::new(20, true);
    for inputs in &mut case.inputs {
        inputs.mapv_inplace(|x| x * 1e37);
    }
    let products = case.products();
    let [original, pruned] = [0, 1].map(|i| case.layer(i));
    // The biases may not fit into f32.
    let _ = reconstruct_layer(&original, &pruned, products, &Damping::default());
    for inputs in &mut case.inputs {
        inputs.fill(0.0);
    }
    let found = case.repaired(&Damping::default());
    assert_eq!(found.weight, case.weights[1]);
}

#[test]
fn models_that_differ_are_refused() {
    let data = blobs(20, 3, 2, 1);
    let [mut wide, mut narrow] = [5, 4].map(|width| Chain::random(&[3, width, 2], 1));
    let original = WithSamples::new(&mut wide, &data);
    let mut pruned = WithSamples::new(&mut narrow, &data);
    let error = reconstruct(&original, &mut pruned, &Damping::default()).unwrap_err();
    assert!(error.to_string().contains("layers.0.weight"), "{error}");
    correct_biases(&original, &mut pruned).unwrap_err();
    let mut copy = wide.clone();
    copy.parameters[2].values_mut()[1] = f32::NAN;
    let original = WithSamples::new(&mut wide, &data);
    let mut pruned = WithSamples::new(&mut copy, &data);
    let error = reconstruct(&original, &mut pruned, &Damping::default()).unwrap_err();
    assert!(error.to_string().contains("layers.1.weight"), "{error}");
}

#[test]
fn a_model_without_biases_has_none_to_correct() {
    let data = blobs(20, 3, 2, 1);
    let mut network = Chain::random(&[3, 5, 2], 1);
    for (i, layer) in [1, 3].into_iter().enumerate() {
        // The bias of no weight, by its name.
        let values = network.parameters[layer].values().to_vec();
        network.parameters[layer] = Parameter::bias(format!("shift.{i}"), values);
    }
    let mut pruned = network.clone();
    let original = WithSamples::new(&mut network, &data);
    let error = correct_biases(&original, &mut WithSamples::new(&mut pruned, &data)).unwrap_err();
    assert!(matches!(error, CoreError::Empty { .. }), "{error}");
}
