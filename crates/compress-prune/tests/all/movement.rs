//! Movement that gradual pruning adds up.

use compress_core::structured::from_all_bytes;
use compress_core::train::{Run, TrainHook};
use compress_prune::*;

use crate::models::{Convolution, WEIGHT};

/// Of the 432 weights of a [`Convolution`] a tenth.
const TENTH: usize = 43;

fn hook(criterion: Box<dyn Criterion>, options: GradualOptions) -> GradualPruning {
    let structure = Box::new(Global::default());
    GradualPruning::new(criterion, structure, Box::new(Cubic), options).unwrap()
}

fn options(regrowth: Regrowth) -> GradualOptions {
    GradualOptions {
        interval: 2,
        regrowth,
        ..GradualOptions::default()
    }
}

/// Takes steps of a run of ten; returns the hook's state.
fn run(
    model: &mut Convolution,
    hook: &mut GradualPruning,
    steps: std::ops::Range<usize>,
) -> Vec<u8> {
    let mut hooks: [&mut dyn TrainHook; 1] = [hook];
    let mut run = Run::resumed(&mut hooks, steps.start, 10);
    for _ in steps {
        model.step(&mut run).unwrap();
    }
    run.save().unwrap().remove(0)
}

/// The mask of a state, and the sums of the weight.
fn read(state: &[u8]) -> (Mask, Vec<f32>) {
    type State = (u64, Mask, Option<f64>, Vec<Vec<f32>>);
    let (state, sums): (State, Vec<(String, Vec<f32>)>) = from_all_bytes(state).unwrap();
    let weight = sums.into_iter().find(|(name, _)| name == WEIGHT).unwrap();
    (state.1, weight.1)
}

#[test]
fn weights_that_move_towards_zero_go_first() {
    let at_once = GradualOptions {
        begin: 0.5,
        end: 0.5,
        ..options(Regrowth::Never)
    };
    let mut hook = hook(Box::new(Movement), at_once);
    let mut model = Convolution::new(1);
    let mut w: Vec<f64> = model.weight.iter().map(|&w| w.into()).collect();
    let targets: Vec<f64> = model.targets.iter().map(|&t| t.into()).collect();
    run(&mut model, &mut hook, 0..5);
    let mut movement = vec![0.0; 432];
    for _ in 0..5 {
        for ((w, target), sum) in w.iter_mut().zip(&targets).zip(&mut movement) {
            let gradient = *w - target;
            *sum -= *w * gradient;
            *w -= 0.1 * gradient;
        }
    }
    let mut best: Vec<usize> = (0..432).collect();
    best.sort_by(|&a, &b| movement[b].total_cmp(&movement[a]));
    best.truncate(TENTH);
    best.sort_unstable();
    let kept = model.weight.iter().zip(0..).filter(|(w, _)| **w != 0.0);
    assert_eq!(kept.map(|(_, i)| i).collect::<Vec<usize>>(), best);
}

#[test]
fn a_run_that_was_interrupted_at_any_step_ends_in_the_same_bits() {
    for regrowth in [Regrowth::Never, Regrowth::Allowed] {
        let new = || hook(Box::new(Movement), options(regrowth));
        let mut whole = Convolution::new(1);
        let end = run(&mut whole, &mut new(), 0..10);
        assert_eq!(whole.kept(), TENTH);
        for stop in 0..10 {
            let mut model = Convolution::new(1);
            let mut first = new();
            let state = run(&mut model, &mut first, 0..stop);
            let stopped = model.clone();
            // In a new hook, and in one that has gone on.
            run(&mut model, &mut first, stop..10);
            for mut second in [new(), first] {
                let mut model = stopped.clone();
                second.load(&state).unwrap();
                assert_eq!(run(&mut model, &mut second, stop..10), end);
                assert_eq!(model.weight, whole.weight);
            }
        }
    }
}

#[test]
fn dead_weights_keep_their_last_movement_unless_they_learn_behind_the_mask() {
    for regrowth in [Regrowth::Never, Regrowth::Allowed] {
        let mut hook = hook(Box::new(Movement), options(regrowth));
        let mut model = Convolution::new(1);
        let (mask, before) = read(&run(&mut model, &mut hook, 0..6));
        let (_, after) = read(&run(&mut model, &mut hook, 6..7));
        let keep = &mask.tensors[0].keep;
        assert!(keep.contains(&false) && keep.contains(&true));
        for ((keep, before), after) in keep.iter().zip(&before).zip(&after) {
            let moves = *keep || regrowth == Regrowth::Allowed;
            assert_eq!(before != after, moves, "{before} {after}");
        }
    }
}

#[test]
fn the_state_of_another_criterion_is_refused() {
    let new = |criterion| hook(criterion, options(Regrowth::Never));
    let mut by_magnitude = new(Box::new(Magnitude));
    let mut by_movement = new(Box::new(Movement));
    let states =
        [&mut by_magnitude, &mut by_movement].map(|hook| run(&mut Convolution::new(1), hook, 0..4));
    for (hook, state) in [
        (&mut by_movement, &states[0]),
        (&mut by_magnitude, &states[1]),
    ] {
        let error = hook.load(state).unwrap_err().to_string();
        assert!(error.contains("gradual_pruning is damaged"), "{error}");
    }
}
