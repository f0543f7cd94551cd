//! Gradual pruning in loops of one's own, of a model that is no network.

use std::cell::Cell;
use std::rc::Rc;

use compress_core::Error as CoreError;
use compress_core::gradients::LiveSets;
use compress_core::observe::{Place, Tap};
use compress_core::train::{Run, TrainHook};
use compress_prune::*;
use compress_testing::normal;
use ndarray::{Array2, Array4};
use proptest::prelude::*;

use crate::models::{Convolution, WEIGHT};

/// Of the 432 weights of a [`Convolution`] a tenth.
const TENTH: usize = 43;

fn hook(criterion: Box<dyn Criterion>, options: GradualOptions) -> GradualPruning {
    let structure = Box::new(Global::default());
    GradualPruning::new(criterion, structure, Box::new(Cubic), options).unwrap()
}

fn by_magnitude(interval: usize) -> GradualPruning {
    let options = GradualOptions {
        interval,
        ..GradualOptions::default()
    };
    hook(Box::new(Magnitude), options)
}

/// The magnitude; notes each time that it is asked.
struct Asked(Rc<Cell<usize>>);

impl Criterion for Asked {
    fn name(&self) -> &'static str {
        "asked"
    }

    fn score(
        &self,
        weight: TensorRef<'_>,
        known: &Evidence<'_>,
    ) -> compress_core::Result<Vec<f32>> {
        self.0.set(self.0.get() + 1);
        Magnitude.score(weight, known)
    }
}

/// After how many steps a run of `total` steps prunes.
fn prunings(options: GradualOptions, total: usize) -> Vec<usize> {
    let asked = Rc::new(Cell::new(0));
    let mut hook = hook(Box::new(Asked(asked.clone())), options);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, total);
    let mut model = Convolution::new(1);
    let mut steps = Vec::new();
    for step in 1..=total {
        let before = asked.get();
        model.step(&mut run).unwrap();
        if asked.get() > before {
            steps.push(step);
        }
    }
    run.finish(&mut model).unwrap();
    assert_eq!(model.kept(), TENTH);
    steps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn prunings_fall_on_the_begin_and_every_interval_after_it(
        (parts, begin, end) in (1_usize..=30).prop_flat_map(|parts| {
            (0..=parts).prop_flat_map(move |end| (Just(parts), 0..=end, Just(end)))
        }),
        total in 1_usize..60,
        interval in 1_usize..20,
    ) {
        let fraction = |part: usize| part as f64 / parts as f64;
        let options = GradualOptions {
            begin: fraction(begin),
            end: fraction(end),
            interval,
            ..GradualOptions::default()
        };
        let (first, last) = ((begin * total).div_ceil(parts), (end * total).div_ceil(parts));
        let regular = (first..last).step_by(interval).filter(|&step| step > 0);
        let expected: Vec<usize> = regular.chain([last.max(1)]).collect();
        prop_assert_eq!(prunings(options, total), expected);
    }
}

#[test]
fn a_begin_whose_product_is_rounded_upwards_is_no_step_late() {
    // In f64, 0.07 times 100 is above 7, and 0.29 times 100 below 29.
    for (begin, steps) in [(0.07, [7, 37, 67, 80]), (0.29, [29, 59, 80, 0])] {
        let options = GradualOptions {
            begin,
            interval: 30,
            ..GradualOptions::default()
        };
        let steps: Vec<usize> = steps.into_iter().filter(|&step| step > 0).collect();
        assert_eq!(prunings(options, 100), steps);
    }
}

#[test]
fn a_loop_in_epochs_reaches_exactly_the_final_density() {
    let mut hook = by_magnitude(5);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 10 * 6);
    let mut model = Convolution::new(1);
    let mut losses = Vec::new();
    let mut kept = model.kept();
    for epoch in 0..10 {
        for _ in 0..6 {
            losses.push(model.step(&mut run).unwrap());
            assert!(model.kept() <= kept);
            kept = model.kept();
        }
        // Nobody but the run counts: it is not lost where an epoch begins.
        assert_eq!(run.done(), 6 * (epoch + 1));
    }
    run.finish(&mut model).unwrap();
    assert_eq!(model.kept(), TENTH);
    assert_eq!((hook.mask().kept(), hook.mask().total()), (TENTH, 432));
    assert!(losses[59] < losses[47], "what stays learns");
    assert!(model.bias.iter().all(|b| *b > 0.0), "biases are not pruned");
}

fn nothing(_: &mut Convolution, _: &LiveSets) -> compress_core::Result<()> {
    Ok(())
}

#[test]
fn no_loop_can_forget_to_prune_after_a_step() {
    // An update that does nothing is all that a loop may leave out.
    let mut hook = by_magnitude(5);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 20);
    let mut model = Convolution::new(1);
    for _ in 0..20 {
        run.step(&mut model, 0.1, nothing, nothing).unwrap();
    }
    run.finish(&mut model).unwrap();
    assert_eq!(model.kept(), TENTH);
}

/// What an error is of this crate.
fn own(error: &CoreError) -> &Error {
    match error {
        CoreError::Other(error) => error.downcast_ref().unwrap(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_run_that_is_begun_anew_each_epoch_ends_with_an_error() {
    let mut hook = by_magnitude(5);
    let mut model = Convolution::new(1);
    for _ in 0..10 {
        let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
        let mut run = Run::new(&mut hooks, 60);
        for _ in 0..6 {
            model.step(&mut run).unwrap();
        }
        let error = run.finish(&mut model).unwrap_err();
        assert!(matches!(
            own(&error),
            Error::NotReached {
                steps: 6,
                total_steps: 60,
                ..
            }
        ));
    }
    assert!(model.kept() > TENTH);
}

#[test]
fn a_run_that_ends_early_names_densities_and_steps() {
    let mut hook = by_magnitude(5);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 60);
    let mut model = Convolution::new(1);
    for _ in 0..31 {
        model.step(&mut run).unwrap();
    }
    let error = run.finish(&mut model).unwrap_err();
    let Error::NotReached {
        reached,
        target,
        steps,
        total_steps,
    } = *own(&error)
    else {
        panic!("{error}");
    };
    assert_eq!(reached, model.kept() as f64 / 432.0);
    assert_eq!((target, steps, total_steps), (0.1, 31, 60));
    // 0.1 + 0.9 * (1 - 30/48)^3
    assert!((reached - 0.1475).abs() < 2e-3, "{reached}");
    let message = error.to_string();
    for part in [&format!("{reached}"), "0.1,", "31 of 60 steps"] {
        assert!(message.contains(part), "{message}");
    }
    let mut untouched = by_magnitude(5);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut untouched];
    let error = Run::new(&mut hooks, 60).finish(&mut model).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("density 1, not the promised 0.1, after 0 of 60")
    );
}

#[test]
fn a_run_that_was_told_too_few_steps_takes_no_more() {
    let mut hook = by_magnitude(5);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 20);
    let mut model = Convolution::new(1);
    for _ in 0..20 {
        model.step(&mut run).unwrap();
    }
    let before = model.weight.clone();
    let error = model.step(&mut run).unwrap_err().to_string();
    assert!(error.contains("21") && error.contains("20"), "{error}");
    assert_eq!(model.weight, before);
}

#[test]
fn random_pruning_prunes_the_same_weights_further() {
    let options = GradualOptions {
        interval: 1,
        regrowth: Regrowth::Allowed,
        ..GradualOptions::default()
    };
    // Even where they might come back.
    let mut hook = hook(Box::new(Random { seed: 7 }), options);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 20);
    let mut model = Convolution::new(1);
    let mut before = vec![true; 432];
    for _ in 0..20 {
        model.step(&mut run).unwrap();
        let now: Vec<bool> = model.weight.iter().map(|w| *w != 0.0).collect();
        assert!(now.iter().zip(&before).all(|(now, before)| *before || !now));
        before = now;
    }
    run.finish(&mut model).unwrap();
    assert_eq!(model.kept(), TENTH);
}

fn quick() -> GradualOptions {
    GradualOptions {
        interval: 2,
        ..GradualOptions::default()
    }
}

#[test]
fn second_moments_that_nobody_keeps_are_missed_and_it_says_how_they_can_be_had() {
    let mut hook = hook(Box::new(SecondMoments), quick());
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 10);
    let mut model = Convolution::new(1);
    // The first pruning would be in the second step.
    let error = model.step(&mut run).unwrap_err();
    assert!(matches!(error, CoreError::NoEvidence { .. }));
    let message = error.to_string();
    for part in [
        "second_moments",
        "the second moments",
        WEIGHT,
        "optimizer",
        "Adam",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn second_moments_are_those_of_the_run() {
    let options = GradualOptions {
        begin: 0.5,
        end: 0.5,
        ..quick()
    };
    let mut hook = hook(Box::new(SecondMoments), options);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 10);
    let mut model = Convolution::new(1);
    let moments = |step: usize| {
        let values = normal(step as u64, "moments", 432)
            .into_iter()
            .map(|x| x * x);
        Array4::from_shape_vec((16, 3, 3, 3), values.collect()).unwrap()
    };
    let mut unpruned = model.clone();
    for step in 0..5 {
        model.moments = Some(moments(step));
        model.step(&mut run).unwrap();
        unpruned.learn();
        unpruned.descend();
    }
    let moments = moments(4);
    let pairs = unpruned.weight.iter().zip(&moments);
    let saliencies = pairs.map(|(w, v)| f64::from(*w).powi(2) * f64::from(*v));
    let mut saliencies: Vec<(f64, usize)> = saliencies.zip(0..).collect();
    saliencies.sort_by(|a, b| b.0.total_cmp(&a.0));
    let kept = hook.mask().tensors[0].keep.iter();
    let kept: Vec<usize> = kept
        .zip(0..)
        .filter(|(keep, _)| **keep)
        .map(|(_, i)| i)
        .collect();
    let mut best: Vec<usize> = saliencies[..TENTH].iter().map(|(_, i)| *i).collect();
    best.sort_unstable();
    assert_eq!(kept, best);
}

#[test]
fn gradients_are_those_of_the_step() {
    let options = GradualOptions {
        begin: 0.0,
        end: 0.0,
        ..quick()
    };
    let mut hook = hook(Box::new(Taylor), options);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 1);
    let mut model = Convolution::new(1);
    let gradient = &model.weight - &model.targets;
    model.step(&mut run).unwrap();
    run.finish(&mut model).unwrap();
    assert_eq!(model.kept(), TENTH);
    let start = Convolution::new(1);
    let stepped = &start.weight - &(0.1 * &gradient);
    let scores = (&stepped * &gradient).mapv(f32::abs);
    let of = |kept: bool| {
        let pairs = scores.iter().zip(&model.weight);
        pairs
            .filter(move |(_, w)| (**w != 0.0) == kept)
            .map(|(s, _)| *s)
    };
    let lowest = of(true).fold(f32::INFINITY, f32::min);
    assert!(of(false).all(|s| s <= lowest + 1e-6));
}

/// Rows of what the convolution multiplies, `[n, 27]`.
struct Patches(Array2<f32>);

impl Observe for Patches {
    fn batches(&self) -> usize {
        1
    }

    fn observe_batch(&self, _: usize, tap: &mut dyn Tap) -> compress_core::Result<()> {
        tap.observe(Place::InputOf(WEIGHT), self.0.view())
    }
}

#[test]
fn wanda_prunes_by_what_was_known_before_the_run() {
    let options = GradualOptions {
        end: 0.2,
        ..quick()
    };
    let mut model = Convolution::new(1);
    let mut missing = hook(Box::new(Wanda), options);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut missing];
    let mut run = Run::new(&mut hooks, 10);
    let error = model.step(&mut run).unwrap_err().to_string();
    for part in [
        "wanda",
        "statistics of the inputs",
        WEIGHT,
        "calibration data",
    ] {
        assert!(error.contains(part), "{error}");
    }

    // Only the columns 3, 4 and 20 ever read anything: of 16 rows 48 weights, more than stay.
    let read = [3, 4, 20];
    let patches = Array2::from_shape_fn((10, 27), |(row, column)| {
        f32::from(u8::from(read.contains(&column))) * (1.0 + row as f32)
    });
    let known = Known::by_observing(&Patches(patches), Wanda.needs()).unwrap();
    let mut wanda = hook(Box::new(Wanda), options).with_known(known);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut wanda];
    let mut run = Run::new(&mut hooks, 10);
    let mut model = Convolution::new(1);
    for _ in 0..10 {
        model.step(&mut run).unwrap();
    }
    run.finish(&mut model).unwrap();
    assert_eq!(model.kept(), TENTH);
    let kept = model.weight.iter().zip(0..).filter(|(w, _)| **w != 0.0);
    assert!(
        kept.map(|(_, i)| i % 27)
            .all(|column| read.contains(&column))
    );
}

#[test]
fn the_norms_of_readers_are_asked_for() {
    let mut hook = hook(Box::new(NeuronNorm { outgoing: true }), quick());
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 10);
    let mut model = Convolution::new(1);
    let error = model.step(&mut run).unwrap_err().to_string();
    for part in ["neuron_norm", "readers", WEIGHT, "graph"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_step_that_fails_leaves_the_mask_on_and_nothing_is_forgotten() {
    let options = GradualOptions {
        begin: 0.0,
        end: 0.0,
        regrowth: Regrowth::Allowed,
        ..quick()
    };
    let fail = || CoreError::invalid("the optimizer", "broken", "whole");
    // The same steps, without and with one in between that fails.
    let ends = [false, true].map(|fails| {
        let mut hook = hook(Box::new(Magnitude), options);
        let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
        let mut run = Run::new(&mut hooks, 10);
        let mut model = Convolution::new(1);
        model.step(&mut run).unwrap();
        assert_eq!(model.kept(), TENTH);
        if fails {
            let failed = run.step(
                &mut model,
                0.1,
                |model, _| Ok(model.learn()),
                |_, _| Err(fail()),
            );
            assert!(failed.is_err());
            assert_eq!(model.kept(), TENTH);
        }
        model.step(&mut run).unwrap();
        run.evaluate(&mut model, |model| {
            assert_eq!(model.kept(), TENTH);
            Ok::<_, CoreError>(())
        })
        .unwrap();
        model.step(&mut run).unwrap();
        let states = run.save().unwrap();
        (model.weight, states)
    });
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn a_checkpoint_that_ends_at_a_higher_density_does_not_keep_a_promise() {
    let at_once = |target| {
        let options = GradualOptions {
            target,
            end: 0.0,
            ..GradualOptions::default()
        };
        hook(Box::new(Magnitude), options)
    };
    let mut model = Convolution::new(1);
    let mut half = at_once(0.5);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut half];
    let mut run = Run::new(&mut hooks, 1);
    model.step(&mut run).unwrap();
    run.finish(&mut model).unwrap();
    for (target, kept) in [(0.5, true), (0.75, true), (0.25, false)] {
        let mut other = at_once(target);
        other.load(&half.save().unwrap()).unwrap();
        let mut hooks: [&mut dyn TrainHook; 1] = [&mut other];
        let ended = Run::resumed(&mut hooks, 1, 1).finish(&mut model);
        assert_eq!(ended.is_ok(), kept, "{target}");
        if let Err(error) = ended {
            let message = "density 0.5, not the promised 0.25";
            assert!(error.to_string().contains(message), "{error}");
        }
        // With steps left, it prunes on.
        let mut other = at_once(target);
        other.load(&half.save().unwrap()).unwrap();
        let mut hooks: [&mut dyn TrainHook; 1] = [&mut other];
        let mut run = Run::resumed(&mut hooks, 1, 2);
        model.step(&mut run).unwrap();
        run.finish(&mut model).unwrap();
        assert_eq!(other.mask().density(), target.min(0.5));
    }
}
