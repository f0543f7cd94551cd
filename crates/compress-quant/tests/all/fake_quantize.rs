//! Fake quantization as a hook of a training run.

use compress_core::codec::{Grid, Tensor};
use compress_core::gradients::LiveSets;
use compress_core::hook::{Run, TrainHook};
use compress_core::mask::Mask;
use compress_core::parameters;
use compress_core::tensor::Role;
use compress_core::{Error, Result};
use compress_quant::Granularity;
use compress_quant::ptq::load_into;
use compress_quant::qat::{FakeQuantize, Gradient, Refit, Target};
use compress_quant::schemes::{
    Codebook, LinearAffine, LinearSymmetric, PowerOfTwo, Range, Scheme, Settings, ZeroLevel,
    by_name,
};
use compress_testing::{Chain, normal};

use crate::common::{Masked, bits, step_once};

const WEIGHTS: Target<'static> = Target::Role(Role::Weight);
const BIASES: Target<'static> = Target::Role(Role::Bias);

fn four_bits() -> LinearSymmetric {
    LinearSymmetric::new(4, Granularity::Tensor, Range::LeastSquares).unwrap()
}

fn eight_bits() -> LinearAffine {
    LinearAffine::new(8, Granularity::Channel, Range::AbsMax).unwrap()
}

fn decoded(tensors: &[Tensor]) -> Vec<Vec<f32>> {
    tensors.iter().map(|t| t.values().unwrap()).collect()
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
    let grid = hook.codec("layers.0.weight").unwrap().grid();
    assert!(matches!(grid, Some(Grid::Codebook { .. })));

    step_once(&mut hook, &mut network, |network| {
        assert_ne!(network.values(), before);
        assert_eq!(network.values(), decoded(&artifact));
        Ok(())
    })
    .unwrap();
    assert_eq!(network.values(), before);
    assert_eq!(hook.to_tensors(&network).unwrap(), artifact);
}

#[test]
fn an_evaluation_sees_what_ships() {
    let mut network = Chain::normal(&[4, 6, 3], 1);
    let scheme = four_bits();
    let mut hook = FakeQuantize::fit(&network, &[(WEIGHTS, &scheme)]).unwrap();
    let before = bits(&network);
    let shipped = decoded(&hook.to_tensors(&network).unwrap());
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 1);
    let evaluated: Result<()> = run.evaluate(&mut network, |network| {
        assert_eq!(network.values(), shipped);
        Ok(())
    });
    evaluated.unwrap();
    assert_eq!(bits(&network), before);
    // Nor is anything left behind by an evaluation that fails.
    let failed: Result<()> = run.evaluate(&mut network, |_| Err(Error::Other("no samples".into())));
    assert!(failed.is_err());
    assert_eq!(bits(&network), before);
}

#[test]
fn weights_outside_of_the_assignments_stay_as_they_are() {
    let network = Chain::normal(&[12, 9, 4], 1);
    let four = four_bits();
    let hook = FakeQuantize::fit(&network, &[(WEIGHTS, &four)]).unwrap();
    let artifact = hook.to_tensors(&network).unwrap();
    assert!(matches!(artifact[2], Tensor::Quantized(_)));
    assert!(matches!(artifact[3], Tensor::Float { .. }));
    assert!(hook.codec("layers.1.bias").is_none());
}

#[test]
fn a_step_that_fails_loses_nothing() {
    let mut network = Chain::normal(&[5, 3], 1);
    let four = four_bits();
    let mut hook = FakeQuantize::fit(&network, &[(WEIGHTS, &four)]).unwrap();
    let before = bits(&network);
    for _ in 0..2 {
        let failed = step_once(&mut hook, &mut network, |network| {
            assert_ne!(bits(network), before);
            Err(Error::Other("no loss".into()))
        });
        assert!(failed.unwrap_err().to_string().contains("no loss"));
        assert_eq!(bits(&network), before);
    }
    assert!(hook.save().is_ok());
    step_once(&mut hook, &mut network, |_| Ok(())).unwrap();
    assert_eq!(bits(&network), before);
}

#[test]
fn a_hook_says_nothing_of_a_model_that_holds_quantized_weights() {
    let mut network = Chain::normal(&[5, 3], 1);
    let four = four_bits();
    let mut hook = FakeQuantize::fit(&network, &[(WEIGHTS, &four)]).unwrap();
    let before = bits(&network);
    let state = hook.save().unwrap();
    let live = LiveSets::default();
    hook.before_evaluation(&mut network, &live).unwrap();
    // Once more: what it keeps is still what was trained.
    hook.before_evaluation(&mut network, &live).unwrap();
    let refused = [
        hook.save().map(drop),
        hook.load(&state),
        hook.to_tensors(&network).map(drop),
    ];
    for refused in refused {
        let error = refused.unwrap_err().to_string();
        assert!(
            error.contains("the model holds quantized weights"),
            "{error}"
        );
    }
    for _ in 0..2 {
        hook.after_evaluation(&mut network).unwrap();
        assert_eq!(bits(&network), before);
    }
}

#[test]
fn a_nan_is_named_and_leaves_full_precision() {
    let mut network = Chain::normal(&[5, 4, 3], 1);
    let four = four_bits();
    let mut hook = FakeQuantize::fit(&network, &[(WEIGHTS, &four)]).unwrap();
    network.parameters[2].values_mut()[6] = f32::NAN;
    let before = bits(&network);
    let error = step_once(&mut hook, &mut network, |_| Ok(())).unwrap_err();
    assert!(matches!(&error, Error::NonFinite { what, index: 6, .. } if what == "layers.1.weight"));
    assert_eq!(bits(&network), before);
    assert!(hook.to_tensors(&network).is_err());
}

#[test]
fn another_network_is_refused() {
    let four = four_bits();
    let network = Chain::normal(&[5, 4, 3], 1);
    let mut hook = FakeQuantize::fit(&network, &[(WEIGHTS, &four)]).unwrap();
    for (widths, words) in [
        (
            &[5, 6, 3][..],
            "layers.0.weight had shape [4, 5] when it was fitted",
        ),
        (
            &[5, 4, 2],
            "layers.1.weight had shape [3, 4] when it was fitted",
        ),
        (&[5, 4], "no tensor named \"layers.1.weight\""),
    ] {
        let mut other = Chain::normal(widths, 1);
        let before = other.values();
        let error = step_once(&mut hook, &mut other, |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
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
        assert!(
            error.contains("takes no tensor") && error.contains("layers.1.bias"),
            "{error}"
        );
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
        step_once(&mut hook, &mut network, |network| {
            for parameter in &mut network.parameters {
                parameter.gradient_mut().fill(1.0);
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(network.parameters[0].gradient(), expected);
        assert_eq!(network.parameters[1].gradient(), [1.0]);
        assert_eq!(network.parameters[0].values(), weights);
    }
}

/// A run of gradient descent with random gradients.
fn run(network: &mut Chain, hooks: &mut [&mut dyn TrainHook], check: impl Fn(&Chain)) {
    let mut run = Run::new(hooks, 20);
    for step in 0..20 {
        let taken: Result<()> = run.step(
            network,
            0.01,
            |network, _| {
                check(network);
                for parameter in &mut network.parameters {
                    let gradient = normal(step, parameter.name(), parameter.values().len());
                    parameter.gradient_mut().copy_from_slice(&gradient);
                }
                Ok(())
            },
            |network, _| {
                descend(network, 0.01);
                Ok(())
            },
        );
        taken.unwrap();
    }
    run.finish(network).unwrap();
}

fn descend(network: &mut Chain, rate: f32) {
    for parameter in &mut network.parameters {
        let (values, gradient) = parameter.values_and_gradient_mut();
        values
            .iter_mut()
            .zip(gradient)
            .for_each(|(w, g)| *w -= rate * *g);
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
        let mask = Mask::of_nonzeros(&start).unwrap();
        let only_kept = |network: &Chain| {
            for tensor in &mask.tensors {
                let values = parameters::values(network, &tensor.name).unwrap();
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
    let other = Chain::normal(&[12, 8, 4], 1);
    let mut other = FakeQuantize::fit(&other, &assignments).unwrap();
    let error = other.load(&state).unwrap_err().to_string();
    assert!(error.contains("layers.0.weight had shape"), "{error}");
    assert_eq!(resumed.to_tensors(&network).unwrap(), artifact);
}

/// The scale of the first weight's grid after each step of a run in which every step makes all
/// weights 1.1 times as large, and the scale that was fitted to the weights before each step.
fn scales(refit: Refit, steps: usize) -> (Vec<f32>, Vec<f32>) {
    let mut network = Chain::normal(&[12, 9, 4], 1);
    let scheme = LinearSymmetric::new(4, Granularity::Tensor, Range::AbsMax).unwrap();
    let hook = FakeQuantize::fit(&network, &[(WEIGHTS, &scheme)]).unwrap();
    let mut hook = hook.with_refit(refit).unwrap();
    let (mut found, mut fresh) = (Vec::new(), Vec::new());
    for step in 0..steps {
        fresh.push(scale(
            &FakeQuantize::fit(&network, &[(WEIGHTS, &scheme)]).unwrap(),
        ));
        let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
        let mut run = Run::resumed(&mut hooks, step, steps);
        let taken: Result<()> = run.step(
            &mut network,
            0.1,
            |_, _| Ok(()),
            |network, _| {
                for parameter in &mut network.parameters {
                    parameter.values_mut().iter_mut().for_each(|w| *w *= 1.1);
                }
                Ok(())
            },
        );
        taken.unwrap();
        if run.done() == steps {
            run.finish(&mut network).unwrap();
        }
        found.push(scale(&hook));
    }
    // The grid of the last step is the one that is stored.
    let Tensor::Quantized(tensor) = &hook.to_tensors(&network).unwrap()[0] else {
        panic!("not quantized")
    };
    let grid = hook.codec("layers.0.weight").unwrap().grid();
    assert_eq!(Some(&tensor.grid), grid);
    assert_eq!(network.parameters[0].values(), tensor.dequantize().unwrap());
    (found, fresh)
}

fn scale(hook: &FakeQuantize<'_>) -> f32 {
    match hook.codec("layers.0.weight").unwrap().grid() {
        Some(Grid::Linear { scales, .. }) => scales[0],
        grid => panic!("{grid:?}"),
    }
}

#[test]
fn grids_follow_moving_weights_until_they_are_frozen() {
    let every = |steps, until| Refit::Every { steps, until };
    for (refit, fitted_at) in [
        (Refit::Never, &[0][..]),
        (every(4, 0.0), &[0]),
        (every(4, 0.5), &[0, 4, 8]),
        // Half of 20 steps is done before step 10: it is not fitted again.
        (every(5, 0.5), &[0, 5]),
        (every(6, 1.0), &[0, 6, 12, 18]),
        (every(1, 0.2), &[0, 1, 2, 3]),
        (every(100, 1.0), &[0]),
        // 100 steps are the default.
        (Refit::default(), &[0]),
    ] {
        let (found, fresh) = scales(refit, 20);
        assert!(fresh.windows(2).all(|pair| pair[0] < pair[1]));
        for (step, found) in found.iter().enumerate() {
            let last = fitted_at.iter().filter(|at| **at <= step).max().unwrap();
            assert_eq!(*found, fresh[*last], "{refit:?}, step {step}");
        }
    }
}

#[test]
fn the_network_in_hand_at_the_end_is_the_one_that_is_stored() {
    for name in ["q4_k", "q6_k", "q8_0", "nf4", "linear_symmetric"] {
        let scheme = by_name(name, &Settings::default()).unwrap();
        let mut network = Chain::normal(&[256, 24, 4], 1);
        let target = [(Target::Name("layers.0.weight"), scheme.as_ref())];
        let mut hook = FakeQuantize::fit(&network, &target).unwrap();
        run(&mut network, &mut [&mut hook], |_| ());
        let stored = hook.to_tensors(&network).unwrap();
        let mut loaded = network.clone();
        load_into(&stored, &mut loaded).unwrap();
        assert_eq!(bits(&network), bits(&loaded), "{name}");
        // Weights that change afterwards are encoded as they are.
        network.parameters[0].values_mut().fill(0.0);
        let stored = decoded(&hook.to_tensors(&network).unwrap());
        assert!(stored[0].iter().all(|w| *w == 0.0), "{name}");
    }
}

#[test]
fn a_refit_that_makes_no_sense_is_refused() {
    let network = Chain::normal(&[12, 9, 4], 1);
    let scheme = four_bits();
    let refused = |steps, until| {
        let hook = FakeQuantize::fit(&network, &[(WEIGHTS, &scheme)]).unwrap();
        let refused = hook.with_refit(Refit::Every { steps, until }).err();
        refused.map(|error| error.to_string())
    };
    assert_eq!(refused(1, 0.0), None);
    assert_eq!(refused(1, 1.0), None);
    let error = refused(0, 0.5).unwrap();
    assert!(error.contains("steps from one fit"), "{error}");
    for until in [f64::NAN, 2.0, -0.1, f64::INFINITY] {
        let error = refused(1, until).unwrap();
        assert!(error.starts_with("fraction of the run"), "{error}");
    }
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
    let hook = FakeQuantize::fit(&network, &[(WEIGHTS, &scheme)]).unwrap();
    let mut hook = hook.with_refit(Refit::Never).unwrap();
    let wanted = target.parameters[0].values().to_vec();
    // Strongly correlated inputs, so that errors of weights can make up for each other.
    let x = |s: usize, c: usize| inputs[s * columns + c] + 3.0 * inputs[s * columns];
    let loss_and_gradient = |network: &mut Chain| {
        let (weights, gradient) = network.parameters[0].values_and_gradient_mut();
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
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 300);
    let losses: Result<Vec<f32>> = (0..300)
        .map(|_| {
            run.step(
                &mut network,
                0.001,
                |network, _| Ok(loss_and_gradient(network)),
                |network, _| {
                    descend(network, 0.001);
                    Ok(())
                },
            )
        })
        .collect();
    let losses = losses.unwrap();
    let best = losses.iter().copied().fold(f32::INFINITY, f32::min);
    assert!(best < 0.5 * losses[0], "{} {best}", losses[0]);
}
