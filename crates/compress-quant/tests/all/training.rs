//! Fake quantization as a hook, and what it ships.

use compress_core::codec::Tensor;
use compress_core::codec::{Grid, QuantizedTensor};
use compress_core::mask::Mask;
use compress_core::network::{Network, Role};
use compress_core::train::{Step, TrainHook};
use compress_core::{Error, Result};
use compress_quant::Granularity;
use compress_quant::ptq::{BiasTreatment, ErrorReport, load_into, quantize_network};
use compress_quant::qat::{FakeQuantize, Gradient, Target};
use compress_quant::schemes::{
    Codebook, LinearAffine, LinearSymmetric, PowerOfTwo, Range, Scheme, ZeroLevel,
};
use compress_testing::{Chain, normal};

const WEIGHTS: Target<'static> = Target::Role(Role::Weight);
const BIASES: Target<'static> = Target::Role(Role::Bias);

/// A step of a run that nobody asks for more.
const STEP: Step = Step {
    epoch: 0,
    step: 0,
    total_steps: 1,
    learning_rate: 0.1,
    live_only: false,
};

fn four_bits() -> LinearSymmetric {
    LinearSymmetric::new(4, Granularity::Tensor, Range::LeastSquares).unwrap()
}

fn eight_bits() -> LinearAffine {
    LinearAffine::new(8, Granularity::Channel, Range::AbsMax).unwrap()
}

/// A mask that is applied before each forward pass and after each step.
struct Masked(Mask);

impl TrainHook for Masked {
    fn before_forward(&mut self, network: &mut dyn Network, _: &Step) -> Result<()> {
        self.0.apply(network)
    }

    fn after_step(&mut self, network: &mut dyn Network, _: &Step) -> Result<()> {
        self.0.apply(network)
    }
}

fn dequantized(tensor: &Tensor) -> Vec<f32> {
    tensor.values().unwrap()
}

#[test]
fn swaps_in_what_ships_and_puts_back_what_was() {
    let mut network = Chain::normal(&[12, 9, 4], 1);
    let (four, eight) = (four_bits(), eight_bits());
    let book = Codebook::new(5, ZeroLevel::Free).unwrap();
    let first: (Target<'_>, &dyn Scheme) = (Target::Name("layers.0.weight"), &book);
    let mut hook =
        FakeQuantize::fit(&network, &[first, (WEIGHTS, &four), (BIASES, &eight)]).unwrap();
    let before = network.values();
    let artifact = hook.to_tensors(&network).unwrap();
    let grid = hook.codec("layers.0.weight").unwrap().grid().unwrap();
    assert!(matches!(grid, Grid::Codebook { .. }));

    hook.before_forward(&mut network, &STEP).unwrap();
    assert_ne!(network.values(), before);
    let shipped: Vec<_> = artifact.iter().map(dequantized).collect();
    assert_eq!(network.values(), shipped);
    assert_eq!(hook.to_tensors(&network).unwrap(), artifact);
    hook.after_backward(&mut network, &STEP).unwrap();
    assert_eq!(network.values(), before);
    assert_eq!(hook.to_tensors(&network).unwrap(), artifact);
}

#[test]
fn an_evaluation_sees_what_ships() {
    let mut network = Chain::normal(&[4, 6, 3], 1);
    let scheme = four_bits();
    let mut hook = FakeQuantize::fit(&network, &[(Target::Role(Role::Weight), &scheme)]).unwrap();
    let before = bits(&network);
    let shipped = hook.to_tensors(&network).unwrap();
    hook.before_evaluation(&mut network).unwrap();
    for (parameter, tensor) in network.parameters().iter().zip(&shipped) {
        assert_eq!(
            parameter.values(),
            dequantized(tensor),
            "{}",
            parameter.name()
        );
    }
    hook.after_evaluation(&mut network).unwrap();
    assert_eq!(bits(&network), before);
}

#[test]
fn codecs_stay_frozen_as_weights_move() {
    let mut network = Chain::normal(&[12, 9, 4], 1);
    let four = four_bits();
    let hook = FakeQuantize::fit(&network, &[(WEIGHTS, &four)]).unwrap();
    let grid = hook
        .codec("layers.1.weight")
        .unwrap()
        .grid()
        .unwrap()
        .clone();
    network.parameters[2]
        .values_mut()
        .iter_mut()
        .for_each(|w| *w *= 3.0);
    let artifact = hook.to_tensors(&network).unwrap();
    let Tensor::Quantized(tensor) = &artifact[2] else {
        panic!("not quantized")
    };
    assert_eq!(tensor.grid, grid);
    assert!(matches!(artifact[3], Tensor::Float { .. }));
    assert!(hook.codec("layers.1.bias").is_none());
}

#[test]
fn an_interrupted_step_loses_nothing() {
    let mut network = Chain::normal(&[5, 3], 1);
    let four = four_bits();
    let mut hook = FakeQuantize::fit(&network, &[(WEIGHTS, &four)]).unwrap();
    let before = network.values();
    hook.before_forward(&mut network, &STEP).unwrap();
    assert!(hook.save().is_err());
    hook.before_forward(&mut network, &STEP).unwrap();
    hook.restore(&mut network).unwrap();
    assert_eq!(network.values(), before);
    hook.restore(&mut network).unwrap();
    hook.after_backward(&mut network, &STEP).unwrap();
    assert_eq!(network.values(), before);
}

#[test]
fn a_nan_is_named_and_leaves_full_precision() {
    let mut network = Chain::normal(&[5, 4, 3], 1);
    let four = four_bits();
    let mut hook = FakeQuantize::fit(&network, &[(WEIGHTS, &four)]).unwrap();
    network.parameters[2].values_mut()[6] = f32::NAN;
    let before: Vec<Vec<u32>> = bits(&network);
    let error = hook.before_forward(&mut network, &STEP).unwrap_err();
    assert!(matches!(&error, Error::NonFinite { what, index: 6, .. } if what == "layers.1.weight"));
    assert_eq!(bits(&network), before);
    assert!(hook.to_tensors(&network).is_err());
}

fn bits(network: &Chain) -> Vec<Vec<u32>> {
    let values = network.values().into_iter();
    values
        .map(|v| v.iter().map(|x| x.to_bits()).collect())
        .collect()
}

#[test]
fn another_network_is_refused() {
    let four = four_bits();
    let network = Chain::normal(&[5, 4, 3], 1);
    let mut hook = FakeQuantize::fit(&network, &[(WEIGHTS, &four)]).unwrap();
    for widths in [&[5, 6, 3][..], &[5, 4], &[5, 4, 2]] {
        let mut other = Chain::normal(widths, 1);
        let before = other.values();
        let error = hook.before_forward(&mut other, &STEP).unwrap_err();
        assert!(error.to_string().contains("fitted to shape"), "{error}");
        assert_eq!(other.values(), before);
        assert!(hook.to_tensors(&other).is_err());
    }
}

#[test]
fn an_assignment_that_takes_nothing_is_refused() {
    let network = Chain::normal(&[5, 4, 3], 1);
    let four = four_bits();
    let wrong: [&[(Target<'_>, &dyn Scheme)]; 3] = [
        &[(Target::Name("layers.7.weight"), &four)],
        // The second is shadowed by the first.
        &[(WEIGHTS, &four), (Target::Name("layers.0.weight"), &four)],
        &[(WEIGHTS, &four), (WEIGHTS, &four)],
    ];
    for assignments in wrong {
        let error = FakeQuantize::fit(&network, assignments)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("takes no parameter") && error.contains("layers.1.bias"));
    }
    assert!(FakeQuantize::fit(&network, &[]).is_ok());
}

#[test]
fn gradients_pass_or_are_clipped() {
    let fixed = LinearSymmetric::new(3, Granularity::Tensor, Range::Fixed(0.1)).unwrap();
    for (gradient, expected) in [
        (Gradient::StraightThrough, [1.0; 5]),
        (Gradient::Clipped, [1.0, 1.0, 0.0, 0.0, 1.0]),
    ] {
        let mut network = Chain::normal(&[5, 1], 1);
        let weights = [0.0, 0.34, 0.36, -9.0, -0.3];
        network.parameters[0].values_mut().copy_from_slice(&weights);
        let hook = FakeQuantize::fit(&network, &[(WEIGHTS, &fixed)]).unwrap();
        let mut hook = hook.with_gradient(gradient);
        hook.before_forward(&mut network, &STEP).unwrap();
        for parameter in &mut network.parameters {
            parameter.gradient_mut().fill(1.0);
        }
        hook.after_backward(&mut network, &STEP).unwrap();
        assert_eq!(network.parameters[0].gradient(), expected);
        assert_eq!(network.parameters[1].gradient(), [1.0]);
        assert_eq!(network.parameters[0].values(), weights);
    }
}

/// Steps of gradient descent with random gradients, and hooks called as the loop calls them.
fn run(network: &mut Chain, hooks: &mut [&mut dyn TrainHook], check: impl Fn(&Chain)) {
    for step in 0..20 {
        for hook in hooks.iter_mut() {
            hook.before_forward(network, &STEP).unwrap();
        }
        check(network);
        for parameter in &mut network.parameters {
            let gradient = normal(step, parameter.name(), parameter.values().len());
            parameter.gradient_mut().copy_from_slice(&gradient);
        }
        for hook in hooks.iter_mut().rev() {
            hook.after_backward(network, &STEP).unwrap();
        }
        for parameter in &mut network.parameters {
            let (values, gradient) = parameter.values_and_gradient_mut();
            values
                .iter_mut()
                .zip(gradient)
                .for_each(|(w, g)| *w -= 0.01 * *g);
        }
        for hook in hooks.iter_mut() {
            hook.after_step(network, &STEP).unwrap();
        }
    }
}

#[test]
fn pruned_weights_stay_zero_beside_a_mask_in_either_order() {
    let schemes: [Box<dyn Scheme>; 4] = [
        Box::new(four_bits()),
        Box::new(eight_bits()),
        Box::new(Codebook::new(16, ZeroLevel::Pinned).unwrap()),
        Box::new(PowerOfTwo::new(4).unwrap()),
    ];
    for scheme in &schemes {
        let mut start = Chain::normal(&[20, 16, 5], 3);
        for parameter in &mut start.parameters {
            if parameter.role() == Role::Weight {
                let values = parameter.values_mut().iter_mut();
                values.for_each(|w| *w = if w.abs() < 0.2 { 0.0 } else { *w });
            }
        }
        let mask = Mask::of_nonzeros(&start);
        let only_kept = |network: &Chain| {
            for tensor in &mask.tensors {
                let values = (network as &dyn Network)
                    .parameter(&tensor.name)
                    .unwrap()
                    .values();
                let pruned = values.iter().zip(&tensor.keep).filter(|(_, keep)| !**keep);
                assert!(pruned.into_iter().all(|(w, _)| w.to_bits() == 0));
            }
        };
        let mut ends = Vec::new();
        for quantize_first in [true, false] {
            let mut network = start.clone();
            let mut masked = Masked(mask.clone());
            let mut hook = FakeQuantize::fit(&network, &[(WEIGHTS, scheme.as_ref())]).unwrap();
            if quantize_first {
                run(&mut network, &mut [&mut hook, &mut masked], only_kept);
            } else {
                run(&mut network, &mut [&mut masked, &mut hook], only_kept);
            }
            only_kept(&network);
            let artifact = hook.to_tensors(&network).unwrap();
            load_into(&artifact, &mut network).unwrap();
            only_kept(&network);
            ends.push(artifact);
        }
        assert_eq!(ends[0], ends[1]);
    }
}

#[test]
fn a_resumed_hook_has_the_same_grids() {
    let mut network = Chain::normal(&[12, 9, 4], 1);
    let (four, eight) = (four_bits(), eight_bits());
    let assignments: [(Target<'_>, &dyn Scheme); 2] = [(WEIGHTS, &four), (BIASES, &eight)];
    let hook = FakeQuantize::fit(&network, &assignments).unwrap();
    let state = hook.save().unwrap();
    for parameter in &mut network.parameters {
        parameter.values_mut().iter_mut().for_each(|w| *w *= 0.5);
    }
    let mut resumed = FakeQuantize::fit(&network, &assignments).unwrap();
    let artifact = hook.to_tensors(&network).unwrap();
    assert_ne!(resumed.to_tensors(&network).unwrap(), artifact);
    resumed.load(&state).unwrap();
    assert_eq!(resumed.to_tensors(&network).unwrap(), artifact);

    for cut in 0..state.len() {
        assert!(resumed.load(&state[..cut]).is_err());
    }
    let mut longer = state.clone();
    longer.push(0);
    assert!(resumed.load(&longer).is_err());
    let mut fewer = FakeQuantize::fit(&network, &[(WEIGHTS, &four)]).unwrap();
    assert!(fewer.load(&state).is_err());
    assert_eq!(resumed.to_tensors(&network).unwrap(), artifact);
}

/// Minimizes the distance of a quantized linear map to a target, by the gradient of the
/// quantized map: what rounding alone cannot reach, training does.
#[test]
fn training_beats_rounding() {
    let (rows, columns, samples) = (3, 8, 64);
    let inputs = normal(1, "inputs", samples * columns);
    let target = Chain::normal(&[columns, rows], 7);
    let scheme = LinearSymmetric::new(2, Granularity::Tensor, Range::LeastSquares).unwrap();
    let mut network = target.clone();
    let mut hook = FakeQuantize::fit(&network, &[(WEIGHTS, &scheme)]).unwrap();
    let wanted = target.parameters[0].values().to_vec();
    // Strongly correlated inputs, so that errors of weights can make up for each other.
    let x = |s: usize, c: usize| inputs[s * columns + c] + 3.0 * inputs[s * columns];
    let loss_and_gradient = |weights: &[f32], gradient: &mut [f32]| {
        gradient.fill(0.0);
        let mut loss = 0.0;
        for s in 0..samples {
            for r in 0..rows {
                let difference: f32 = (0..columns)
                    .map(|c| (weights[r * columns + c] - wanted[r * columns + c]) * x(s, c))
                    .sum();
                loss += difference * difference / samples as f32;
                for c in 0..columns {
                    gradient[r * columns + c] += 2.0 * difference * x(s, c) / samples as f32;
                }
            }
        }
        loss
    };
    let mut losses = Vec::new();
    for _ in 0..300 {
        hook.before_forward(&mut network, &STEP).unwrap();
        let weights = network.parameters[0].values().to_vec();
        losses.push(loss_and_gradient(
            &weights,
            network.parameters[0].gradient_mut(),
        ));
        hook.after_backward(&mut network, &STEP).unwrap();
        let (values, gradient) = network.parameters[0].values_and_gradient_mut();
        values
            .iter_mut()
            .zip(gradient)
            .for_each(|(w, g)| *w -= 0.001 * *g);
    }
    let best = losses.iter().copied().fold(f32::INFINITY, f32::min);
    assert!(best < 0.5 * losses[0], "{} {best}", losses[0]);
}

#[test]
fn quantizing_after_training() {
    let network = Chain::normal(&[40, 30, 10], 2);
    let (four, eight) = (four_bits(), eight_bits());
    let artifact = quantize_network(&network, &four, BiasTreatment::Float).unwrap();
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
    let both = quantize_network(&network, &four, BiasTreatment::Scheme(&eight)).unwrap();
    assert!(both.iter().all(|t| matches!(t, Tensor::Quantized(_))));
    let hook = FakeQuantize::fit(&network, &[(WEIGHTS, &four), (BIASES, &eight)]).unwrap();
    assert_eq!(hook.to_tensors(&network).unwrap(), both);
}

#[test]
fn a_report_of_errors() {
    let network = Chain::normal(&[40, 30, 10], 2);
    let four = four_bits();
    let artifact = quantize_network(&network, &four, BiasTreatment::Float).unwrap();
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
        quantize_network(&network, &four_bits(), BiasTreatment::Float).unwrap()
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
    let good = Chain::normal(&[4, 3, 2], 2);
    let mut infinite = good;
    infinite.parameters[1].values_mut()[0] = f32::INFINITY;
    assert!(quantize_network(&infinite, &four, BiasTreatment::Float).is_err());
}
