//! Refined codes against the loss of the whole network, and against all of their neighbours.

use compress_core::chain::Architecture;
use compress_core::codec::{Grid, Tensor};
use compress_core::network::{Activation, Forward, Network, Role};
use compress_core::parameters::Lent;
use compress_core::train::{ArraySamples, Samples};
use compress_format::CoderPrices;
use compress_format::artifact::Artifact;
use compress_format::coding::matrix::geometry::Images;
use compress_format::runtime::Runtime;
use compress_quant::folding::{fold_steps, round_biases};
use compress_quant::qat::{LearnedStep, LearnedStepOptions};
use compress_quant::refine::{RefineOptions, Sweep, refine};
use compress_testing::{Chain, blobs, normal};
use ndarray::{Array2, ArrayView2};

pub(crate) const OPTIONS: RefineOptions = RefineOptions {
    penalty: 0.0,
    temperature: 1.0,
    sweeps: 3,
    bias_grid: None,
    seed: 4,
};

/// A network of which two in three weights are zero, and its steps.
pub(crate) fn network(activation: Activation) -> (Chain, LearnedStep) {
    let (mut network, steps) = unrounded(activation);
    steps.round(&mut network).unwrap();
    (network, steps)
}

fn unrounded(activation: Activation) -> (Chain, LearnedStep) {
    let mut network = Chain::with_activation(&[6, 9, 7, 3], activation, 8);
    for (i, parameter) in network.parameters_mut().into_iter().enumerate() {
        if parameter.role() == Role::Weight {
            let values = parameter.values_mut().iter_mut().enumerate();
            values
                .filter(|(p, _)| (p + i) % 3 != 0)
                .for_each(|(_, w)| *w = 0.0);
        }
    }
    let steps = LearnedStep::fit(&network, steps_of_four_bits()).unwrap();
    (network, steps)
}

fn steps_of_four_bits() -> LearnedStepOptions {
    LearnedStepOptions {
        bits: 4,
        ..LearnedStepOptions::default()
    }
}

/// Samples, and probabilities that lean toward their labels.
pub(crate) fn data(count: usize) -> (ArraySamples, Array2<f32>) {
    let data = blobs(count, 6, 3, 5);
    let noise = normal(6, "targets", count * 3);
    let targets = Array2::from_shape_fn((count, 3), |(i, c)| {
        let right = data.labels()[i] as usize == c;
        (noise[i * 3 + c] * 0.3 + if right { 2.0 } else { 0.0 }).exp()
    });
    let sums = targets
        .sum_axis(ndarray::Axis(1))
        .insert_axis(ndarray::Axis(1));
    (data, targets / sums)
}

/// The mean cross-entropy, in f64, by a forward pass over all samples.
fn loss(network: &Chain, inputs: ArrayView2<'_, f32>, targets: &Array2<f32>) -> f64 {
    loss_of(&network.forward(inputs).unwrap(), targets)
}

fn loss_of(logits: &Array2<f32>, targets: &Array2<f32>) -> f64 {
    let rows = logits.rows().into_iter().zip(targets.rows());
    let losses = rows.map(|(logits, targets)| {
        let sum: f64 = logits.iter().map(|&z| f64::from(z).exp()).sum();
        let pairs = logits.iter().zip(targets);
        pairs
            .map(|(&z, &t)| f64::from(t) * (sum.ln() - f64::from(z)))
            .sum::<f64>()
    });
    losses.sum::<f64>() / targets.nrows() as f64
}

fn run(
    network: &mut Chain,
    steps: &LearnedStep,
    count: usize,
    options: &RefineOptions,
) -> Vec<Sweep> {
    let (data, targets) = data(count);
    let indices: Vec<usize> = (0..count).collect();
    let mut seen = (0, 0);
    let mut progress = |done, of| {
        assert!(done > seen.0 && done <= of);
        seen = (done, of);
    };
    let view = targets.view();
    refine(
        &network.architecture(),
        network,
        steps,
        &data,
        &indices,
        view,
        options,
        &CoderPrices::plain(),
        &mut progress,
    )
    .unwrap()
}

pub(crate) fn weights(network: &Chain) -> Vec<f32> {
    network.values().concat()
}

#[test]
fn what_it_says_of_the_loss_is_that_of_the_network() {
    // More than one piece, and the last of them a part of one.
    for activation in [Activation::Relu, Activation::Gelu, Activation::Tanh] {
        let (mut network, steps) = network(activation);
        let (data, targets) = data(700);
        let before = loss(&network, data.inputs(), &targets);
        let zeros: Vec<bool> = weights(&network).iter().map(|w| *w == 0.0).collect();
        let sweeps = run(&mut network, &steps, 700, &OPTIONS);
        let after = loss(&network, data.inputs(), &targets);
        let last = sweeps.last().unwrap();
        assert!((last.loss - after).abs() < 1e-5, "{} {after}", last.loss);
        assert!(after < before - 0.01, "{before} {after}");
        assert!(
            sweeps
                .windows(2)
                .all(|pair| pair[1].loss <= pair[0].loss + 1e-6)
        );
        let found = weights(&network);
        let parameters = network.parameters();
        let nonzero = parameters.iter().filter(|p| p.role() == Role::Weight);
        let nonzero = nonzero.flat_map(|p| p.values()).filter(|w| **w != 0.0);
        assert_eq!(nonzero.count(), last.nonzero);
        // Of weights, that is: biases move.
        let mut position = 0;
        for parameter in parameters {
            let step = steps.step(parameter.name());
            for value in parameter.values() {
                if let Some(step) = step {
                    assert!(!zeros[position] || found[position] == 0.0);
                    let code = value / step;
                    assert!((code - code.round()).abs() < 1e-4 && code.abs() < 7.5);
                }
                position += 1;
            }
        }
    }
}

#[test]
fn no_code_beside_is_better_in_the_end() {
    let options = RefineOptions {
        sweeps: 60,
        ..OPTIONS
    };
    // One piece, so that no change is discarded by chance, and many.
    for (count, slack) in [(200, 1e-6), (6_000, 2e-5)] {
        no_neighbour_is_better(count, slack, &options);
    }
}

fn no_neighbour_is_better(count: usize, slack: f64, options: &RefineOptions) {
    let (mut network, steps) = network(Activation::Relu);
    let sweeps = run(&mut network, &steps, count, options);
    let last = sweeps.last().unwrap();
    assert_eq!((last.nearer, last.farther), (0, 0));
    let (data, targets) = data(count);
    let best = loss(&network, data.inputs(), &targets);
    let names: Vec<String> = network
        .parameters()
        .iter()
        .map(|p| p.name().into())
        .collect();
    let mut looked = 0;
    for (index, name) in names.iter().enumerate() {
        let Some(step) = steps.step(name) else {
            continue;
        };
        for position in 0..network.parameters()[index].values().len() {
            let value = network.parameters()[index].values()[position];
            for changed in [value - step, value + step] {
                if value == 0.0 || changed.abs() > 7.5 * step {
                    continue;
                }
                network.parameters_mut()[index].values_mut()[position] = changed;
                let found = loss(&network, data.inputs(), &targets);
                assert!(found > best - slack, "{name} {position}: {found} {best}");
                looked += 1;
            }
            network.parameters_mut()[index].values_mut()[position] = value;
        }
    }
    assert!(looked > 40, "{looked}");
}

#[test]
fn what_costs_more_is_used_less() {
    let nonzeros = [0.0, 1e-3, 1e-2, 10.0].map(|penalty| {
        let (mut network, steps) = network(Activation::Relu);
        let options = RefineOptions { penalty, ..OPTIONS };
        run(&mut network, &steps, 300, &options)
            .last()
            .unwrap()
            .nonzero
    });
    assert!(
        nonzeros.windows(2).all(|pair| pair[0] > pair[1]),
        "{nonzeros:?}"
    );
    assert_eq!(nonzeros[3], 0);
}

#[test]
fn biases_on_a_grid_are_whole_once_steps_are_folded_and_better_than_rounded_later() {
    for (temperature, bias_grid) in [(1.0, 0.3), (3.0, 0.3), (1.0, 0.05)] {
        let (mut network, steps) = network(Activation::Relu);
        let wanted = f64::from(bias_grid) * first_layer_rms(&network, &data(400).0)
            / f64::from(steps.step("layers.0.weight").unwrap());
        let options = RefineOptions {
            temperature,
            bias_grid: Some(bias_grid),
            ..OPTIONS
        };
        run(&mut network, &steps, 400, &options);
        let chain = network.architecture();
        let (folded, scale) = fold_steps(&chain, &steps.to_tensors(&network).unwrap()).unwrap();
        let (data, targets) = data(400);
        let predict = |tensors: &[Tensor]| {
            let artifact = Artifact::of_chain(chain.clone(), tensors.to_vec())?;
            Runtime::new(artifact)?.predict(data.inputs())
        };
        // Biases lie on the grid, so that nothing is lost even where next to nothing may be.
        let whole = round_biases(&chain, &folded, 1e-5, &predict).unwrap();
        let mut free = self::network(Activation::Relu).0;
        let options = RefineOptions {
            bias_grid: None,
            ..options
        };
        run(&mut free, &steps, 400, &options);
        let (mut later, _) = fold_steps(&chain, &steps.to_tensors(&free).unwrap()).unwrap();
        for (later, whole) in later.iter_mut().zip(&whole).skip(1).step_by(2) {
            let Tensor::Quantized(whole) = whole else {
                panic!("a bias is not rounded");
            };
            let Grid::Linear { scales, .. } = &whole.grid else {
                panic!("the grid is not linear");
            };
            if whole.name == "layers.0.bias" {
                // No power of √2 is nearer; where all codes are even, half of them say it too.
                let above = (f64::from(scales[0]) / wanted).log2();
                let nearest = above > -0.2501 && (above - above.round()).abs() < 0.2501;
                assert!(nearest, "{} {wanted}", scales[0]);
            }
            let most = whole.codes.iter().map(|code| code.abs()).max().unwrap();
            let expected = (1.0 / bias_grid) as i32;
            assert!((1..=5 * expected).contains(&most), "{most}: {expected}");
            let rounded = later.values().unwrap().into_iter();
            let rounded = rounded
                .map(|b| (b / scales[0]).round() * scales[0])
                .collect();
            *later = Tensor::Float {
                name: whole.name.clone(),
                shape: whole.shape.clone(),
                values: rounded,
            };
        }
        let of = |tensors: &[Tensor]| {
            let logits = predict(tensors).unwrap() * (scale as f32 / temperature);
            loss_of(&logits, &targets)
        };
        let (on_grid, later) = (of(&whole), of(&later));
        assert!(on_grid < later, "{on_grid} {later}");
    }
}

/// The root mean square of what the first layer gives, before its activation.
fn first_layer_rms(network: &Chain, data: &ArraySamples) -> f64 {
    let parameters = network.parameters();
    let products = data.inputs().dot(&parameters[0].matrix().t());
    let rows = products.rows().into_iter();
    let squares = rows.flat_map(|row| {
        let given = row.into_iter().zip(parameters[1].values());
        given.map(|(x, bias)| f64::from(x + bias).powi(2))
    });
    (squares.sum::<f64>() / products.len() as f64).sqrt()
}

#[test]
fn a_layer_that_gives_only_zeros_has_no_grid() {
    let (mut network, _) = unrounded(Activation::Relu);
    for parameter in &mut network.parameters_mut()[..2] {
        parameter.values_mut().fill(0.0);
    }
    let steps = LearnedStep::fit(&network, steps_of_four_bits()).unwrap();
    steps.round(&mut network).unwrap();
    let options = RefineOptions {
        bias_grid: Some(0.1),
        ..OPTIONS
    };
    let sweeps = run(&mut network, &steps, 100, &options);
    assert!(sweeps.iter().all(|sweep| sweep.loss.is_finite()));
    assert!(weights(&network).iter().all(|value| value.is_finite()));
    assert!(network.parameters()[1].values().iter().all(|b| *b == 0.0));
}

#[test]
fn logits_are_divided_by_the_temperature() {
    // As if the last layer were so much smaller, and the price by the square of it.
    let (mut hot, steps) = network(Activation::Relu);
    let options = RefineOptions {
        penalty: 4e-5,
        temperature: 2.0,
        ..OPTIONS
    };
    let swept = run(&mut hot, &steps, 400, &options);
    let (mut cold, _) = network(Activation::Relu);
    let scale_last = |network: &mut Chain, factor: f32| {
        let mut parameters = network.parameters_mut();
        for parameter in &mut parameters[4..] {
            parameter.values_mut().iter_mut().for_each(|v| *v *= factor);
        }
    };
    scale_last(&mut cold, 0.5);
    // A step follows from the weights, and so is half of it too.
    let (mut full, _) = unrounded(Activation::Relu);
    scale_last(&mut full, 0.5);
    let halved = LearnedStep::fit(&full, steps_of_four_bits()).unwrap();
    let options = RefineOptions {
        penalty: 1e-5,
        ..OPTIONS
    };
    let expected = run(&mut cold, &halved, 400, &options);
    scale_last(&mut cold, 2.0);
    // But for the last bit of the steps.
    for (hot, cold) in weights(&hot).iter().zip(weights(&cold)) {
        assert!((hot - cold).abs() < 1e-6, "{hot} {cold}");
    }
    for (hot, cold) in swept.iter().zip(&expected) {
        assert!(
            (hot.loss - 4.0 * cold.loss).abs() < 1e-6,
            "{hot:?} {cold:?}"
        );
        assert_eq!(hot.nonzero, cold.nonzero);
    }
}

#[test]
fn targets_belong_to_the_samples_that_are_named() {
    let (all, targets) = data(900);
    let indices: Vec<usize> = (0..300).map(|i| 899 - 3 * i).collect();
    let targets = targets.select(ndarray::Axis(0), &indices);
    let those = all.inputs().select(ndarray::Axis(0), &indices);
    let those = ArraySamples::new(those, vec![0; 300]).unwrap();
    let every: Vec<usize> = (0..300).collect();
    let found = [(&all, &indices), (&those, &every)].map(|(data, indices)| {
        let (mut network, steps) = network(Activation::Relu);
        let view = targets.view();
        let done = &mut |_, _| {};
        let sweeps = refine(
            &network.architecture(),
            &mut network,
            &steps,
            data,
            indices,
            view,
            &OPTIONS,
            &CoderPrices::plain(),
            done,
        );
        let after = loss(&network, those.inputs(), &targets);
        assert!((sweeps.unwrap().last().unwrap().loss - after).abs() < 1e-5);
        weights(&network)
    });
    assert!(found[0] == found[1]);
}

#[test]
fn threads_change_no_bit() {
    let found = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let (mut network, steps) = network(Activation::Relu);
            let options = RefineOptions {
                penalty: 1e-4,
                ..OPTIONS
            };
            let chain = network.architecture();
            let prices = CoderPrices::of_images(&chain, Images::one(2, 3)).unwrap();
            let (data, targets) = data(2_600);
            let indices: Vec<usize> = (0..data.len()).collect();
            let sweeps = refine(
                &chain,
                &mut network,
                &steps,
                &data,
                &indices,
                targets.view(),
                &options,
                &prices,
                &mut |_, _| {},
            );
            let sweeps = sweeps.unwrap();
            (weights(&network), sweeps)
        })
    });
    assert!(found[0] == found[1]);
}

#[test]
fn a_temperature_alone_changes_no_bit() {
    let (mut network, steps) = network(Activation::Relu);
    let before = weights(&network);
    let options = RefineOptions {
        temperature: 1.3,
        sweeps: 0,
        ..OPTIONS
    };
    assert!(run(&mut network, &steps, 40, &options).is_empty());
    assert!(weights(&network) == before);
}

#[test]
fn tensors_without_a_network_are_refined_to_the_same_bits() {
    let (mut network, steps) = network(Activation::Relu);
    let chain = network.architecture();
    let mut arrays: Vec<_> = network
        .parameters
        .iter()
        .map(|p| (p.name().to_owned(), p.role(), p.array().to_owned()))
        .collect();
    run(&mut network, &steps, 300, &OPTIONS);
    let (data, targets) = data(300);
    let indices: Vec<usize> = (0..300).collect();
    let mut model = Lent::new();
    for (name, role, array) in &mut arrays {
        model = model.tensor(name, *role, array.view_mut()).unwrap();
    }
    let mut refined = |chain: &Architecture| {
        refine(
            chain,
            &mut model,
            &steps,
            &data,
            &indices,
            targets.view(),
            &OPTIONS,
            &CoderPrices::plain(),
            &mut |_, _| {},
        )
    };
    // Another chain than the tensors are of.
    for widths in [&[6, 9, 8, 3][..], &[6, 9, 7, 7, 3]] {
        let other = Architecture::mlp(widths, Activation::Relu).unwrap();
        let error = refined(&other).unwrap_err().to_string();
        assert!(error.contains("layers."), "{error}");
    }
    refined(&chain).unwrap();
    let found: Vec<f32> = arrays
        .into_iter()
        .flat_map(|(.., a)| a.into_iter())
        .collect();
    assert_eq!(found, weights(&network));
}
