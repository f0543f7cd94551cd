//! Dynamic sparse training: what is dropped and grown, the density, and checkpoints.

use std::f64::consts::PI;

use compress_core::gradients::Gradients;
use compress_core::mask::TensorMask;
use compress_core::train::{Run, TrainHook};
use compress_core::{Error as CoreError, Result};
use compress_prune::*;
use compress_testing::{Chain, CrossEntropy, Sgd, blobs};
use proptest::prelude::*;

use crate::models::{Convolution, WEIGHT};

const GROWTHS: [Growth; 2] = [Growth::Rigl, Growth::Set { seed: 3 }];

fn random(model: &(impl Parameters + ?Sized), density: f64) -> Mask {
    let scores = score(model, &Random { seed: 5 }, &Known::nothing()).unwrap();
    PerLayer.mask(&scores, density).unwrap()
}

fn options(growth: Growth, interval: usize) -> DynamicOptions {
    DynamicOptions {
        growth,
        interval,
        ..DynamicOptions::default()
    }
}

/// The positions with the `count` largest keys among `from`, the first of equals.
fn largest(from: &[usize], key: impl Fn(usize) -> f32, count: usize) -> Vec<usize> {
    let mut sorted = from.to_vec();
    sorted.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
    sorted.truncate(count);
    sorted
}

fn live(keep: &[bool]) -> Vec<usize> {
    (0..keep.len()).filter(|&i| keep[i]).collect()
}

/// The mask after `done` of `total` steps by algorithm 1 of RigL, from the values and gradients then.
fn by_hand(keep: &[bool], values: &[f32], gradient: &[f32], fraction: f64) -> Vec<bool> {
    let before = live(keep);
    let k = (fraction * before.len() as f64).floor() as usize;
    let stay = largest(&before, |i| values[i].abs(), before.len() - k);
    let others: Vec<usize> = (0..keep.len()).filter(|i| !stay.contains(i)).collect();
    let grown = largest(&others, |i| gradient[i].abs(), k);
    let now = |i| stay.contains(&i) || grown.contains(&i);
    (0..keep.len()).map(now).collect()
}

#[test]
fn rigl_moves_connections_as_its_algorithm_says() {
    // Updates after 5, 10, … 40 of 54 steps: T_end is 40.5.
    let (interval, total) = (5, 54);
    let mut model = Convolution::new(1);
    let start = random(&model, 0.2);
    let mut expected = start.tensors[0].keep.clone();
    let mut hook = DynamicSparse::new(start, options(Growth::Rigl, interval)).unwrap();
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, total);
    let (mut moved, mut regrown) = (0, 0);
    for done in 1..=total {
        let mut given = (Vec::new(), Vec::new());
        // A live weight that is small enough to be dropped, and whose gradient makes it grow again.
        let returns = live(&expected)[0];
        run.step(
            &mut model,
            0.1,
            |model, sets| {
                model.learn();
                // A model that goes by what is live computes no other gradients.
                let mut all = Vec::new();
                model.visit_gradients(&mut |gradient| {
                    if let Some(live) = sets.of(gradient.name) {
                        live.zero_dead(gradient.values);
                    }
                    if gradient.name == WEIGHT {
                        if done == 10 {
                            gradient.values[returns] = 50.0;
                        }
                        all = gradient.values.to_vec();
                    }
                    Ok(())
                })?;
                given.0 = all;
                Ok::<_, CoreError>(())
            },
            |model, _| {
                model.descend();
                if done == 10 {
                    model.weight.as_slice_mut().unwrap()[returns] = 1e-6;
                }
                given.1 = model.weight.iter().copied().collect();
                Ok(())
            },
        )
        .unwrap();
        if done.is_multiple_of(interval) && (done as f64) < 0.75 * total as f64 {
            let angle = PI * done as f64 / (0.75 * total as f64);
            let fraction = 0.3 / 2.0 * (1.0 + angle.cos());
            let before = expected.clone();
            expected = by_hand(&before, &given.1, &given.0, fraction);
            moved += usize::from(before != expected);
            // What grows begins at zero, and what was dropped and chosen again stays.
            for (i, w) in model.weight.iter().enumerate() {
                match (before[i], expected[i]) {
                    (true, true) => assert_eq!(*w, given.1[i]),
                    _ => assert_eq!(w.to_bits(), 0),
                }
            }
            let kept = before
                .iter()
                .zip(&expected)
                .filter(|(b, e)| **b && **e)
                .count();
            let k = (fraction * 86.0).floor() as usize;
            regrown += kept - (86 - k);
        }
        let positions: Vec<usize> = run.live().of(WEIGHT).unwrap().positions().collect();
        assert_eq!(positions, live(&expected), "{done}");
    }
    // The last of eight would move less than one weight.
    assert_eq!(moved, 7);
    assert!(
        regrown > 0,
        "the case of a weight that is dropped and grows"
    );
    run.finish(&mut model).unwrap();
    assert_eq!(hook.mask().tensors[0].keep, expected);
}

/// Trains, and returns the mask after each step.
fn masks(growth: Growth, interval: usize, total: usize) -> Vec<Vec<Vec<usize>>> {
    let data = blobs(96, 6, 3, 1);
    let mut trainer = Sgd::new(Chain::random(&[6, 12, 3], 1));
    let start = random(&trainer.network, 0.3);
    let mut hook = DynamicSparse::new(start, options(growth, interval)).unwrap();
    let mut watch = Watch(Vec::new());
    let mut hooks: [&mut dyn TrainHook; 2] = [&mut hook, &mut watch];
    trainer
        .run(&data, &CrossEntropy, &mut hooks, 0..total, total)
        .unwrap();
    watch.0
}

/// Notes the live weights before each step, and looks whether the others are zero.
struct Watch(Vec<Vec<Vec<usize>>>);

impl TrainHook for Watch {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        let mut all = Vec::new();
        training.model.visit(&mut |tensor| {
            if let Some(live) = training.live.of(tensor.name) {
                let live: Vec<usize> = live.positions().collect();
                let dead = |(i, value): (usize, &f32)| live.contains(&i) || value.to_bits() == 0;
                assert!(tensor.values.iter().enumerate().all(dead));
                all.push(live);
            }
            Ok(())
        })?;
        self.0.push(all);
        Ok(())
    }
}

#[test]
fn the_density_of_each_tensor_never_changes() {
    for growth in GROWTHS {
        for interval in [1, 2, 7] {
            let masks = masks(growth, interval, 60);
            assert_eq!(masks.len(), 60);
            for mask in &masks {
                assert_eq!([mask[0].len(), mask[1].len()], [22, 11]);
            }
            let changes = masks.windows(2).filter(|w| w[0] != w[1]).count();
            assert!(changes > 2, "{growth:?} {interval}: {changes}");
            // From three quarters of the run on, nothing moves.
            assert!(masks[45..].iter().all(|mask| *mask == masks[45]));
        }
    }
}

#[test]
fn set_grows_at_random_and_again_the_same() {
    let of = |seed| masks(Growth::Set { seed }, 3, 60);
    assert_eq!(of(3), of(3));
    assert_ne!(of(3), of(4));
    // Of 400 weights 100 live; the 30 with the smallest magnitudes go, and as many of 330 come.
    let mut values: Vec<f32> = (0..400).map(|i| (i * 37 % 401) as f32 + 1.0).collect();
    let keep: Vec<bool> = (0..400).map(|i| i % 4 == 0).collect();
    let dropped: Vec<usize> = {
        let mut sorted = live(&keep);
        sorted.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        sorted[..30].to_vec()
    };
    let (mut grown, mut again) = ([0_u32; 400], 0);
    for seed in 0..400 {
        let (name, shape) = ("w".to_owned(), vec![20, 20]);
        let keep = keep.clone();
        let mask = Mask {
            tensors: vec![TensorMask { name, shape, keep }],
        };
        // Its drop at the second of many steps is the full one.
        let options = options(Growth::Set { seed }, 2);
        let options = DynamicOptions {
            drop: 0.300_01,
            ..options
        };
        let mut hook = DynamicSparse::new(mask, options).unwrap();
        let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
        let mut run = Run::new(&mut hooks, 1_000_000);
        let mut model = Plain(&mut values);
        for _ in 0..2 {
            let idle = |_: &mut Plain<'_>, _: &LiveSets| Ok::<_, CoreError>(());
            run.step(&mut model, 0.1, idle, idle).unwrap();
        }
        for (i, now) in hook.mask().tensors[0].keep.iter().enumerate() {
            let stays = i % 4 == 0 && !dropped.contains(&i);
            assert!(*now || !stays);
            grown[i] += u32::from(*now && !stays);
            again += u32::from(*now && dropped.contains(&i));
        }
        // Zeroed weights come back for the next seed.
        (0..400).for_each(|i| values[i] = (i * 37 % 401) as f32 + 1.0);
    }
    // Each of 330 is chosen with a probability of 1 in 11: 36 of 400 times, give or take 5.7.
    assert_eq!(grown.iter().sum::<u32>(), 400 * 30);
    let chosen = grown.iter().filter(|count| **count > 0);
    assert!(chosen.clone().count() == 330 && chosen.clone().all(|c| (8..75).contains(c)));
    assert!((900..1300).contains(&again), "{again}");
}

/// A weight without gradients.
struct Plain<'a>(&'a mut [f32]);

impl Parameters for Plain<'_> {
    fn visit(&self, see: &mut compress_core::parameters::See<'_>) -> Result<()> {
        see(TensorRef::weight("w", &[20, 20], self.0)?)
    }

    fn visit_mut(&mut self, change: &mut compress_core::parameters::Change<'_>) -> Result<()> {
        change(TensorMut {
            name: "w",
            role: Role::Weight,
            shape: &[20, 20],
            values: self.0,
        })
    }
}

impl Gradients for Plain<'_> {
    fn visit_gradients(&mut self, _: &mut compress_core::parameters::Change<'_>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn rigl_without_gradients_or_with_unfit_numbers_names_the_tensor() {
    let run = |growth, value: f32| {
        let mut values = vec![1.0; 400];
        let mut model = Plain(&mut values);
        let mut hook = DynamicSparse::new(random(&model, 0.5), options(growth, 2)).unwrap();
        let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
        let mut run = Run::new(&mut hooks, 10);
        let mut ended = Ok(());
        for _ in 0..2 {
            let unfit = |model: &mut Plain<'_>, _: &LiveSets| {
                model.0.fill(value);
                Ok(())
            };
            ended = run.step(&mut model, 0.1, |_, _| Ok::<_, CoreError>(()), unfit);
        }
        ended.unwrap_err()
    };
    let error = run(Growth::Rigl, 1.0);
    assert!(matches!(error, CoreError::NoEvidence { .. }));
    let message = error.to_string();
    assert!(
        message.contains("rigl") && message.contains('w'),
        "{message}"
    );
    for value in [f32::NAN, f32::INFINITY] {
        let message = run(Growth::Set { seed: 1 }, value).to_string();
        assert!(
            message.contains('w') && message.contains("finite"),
            "{message}"
        );
    }
}

#[test]
fn a_run_that_was_interrupted_ends_in_the_same_bits() {
    let data = blobs(96, 6, 3, 1);
    // Before an update, between two, and after one; at every step.
    for (growth, interval, cut) in [
        (Growth::Rigl, 6, 23),
        (Growth::Rigl, 6, 24),
        (Growth::Rigl, 6, 26),
        (Growth::Rigl, 1, 9),
        (Growth::Set { seed: 2 }, 6, 23),
        (Growth::Set { seed: 2 }, 1, 9),
    ] {
        let start = Chain::random(&[6, 12, 3], 1);
        let hook = || DynamicSparse::new(random(&start, 0.3), options(growth, interval)).unwrap();
        let run = |trainer: &mut Sgd, hook: &mut DynamicSparse, steps| {
            trainer
                .run(&data, &CrossEntropy, &mut [hook], steps, 60)
                .unwrap();
        };
        let (mut whole, mut unbroken) = (Sgd::new(start.clone()), hook());
        run(&mut whole, &mut unbroken, 0..60);
        let (mut halves, mut first, mut second) = (Sgd::new(start.clone()), hook(), hook());
        run(&mut halves, &mut first, 0..cut);
        second.load(&first.save().unwrap()).unwrap();
        run(&mut halves, &mut second, cut..60);
        assert_eq!(halves.network.parameters, whole.network.parameters);
        assert_eq!(second.mask(), unbroken.mask());
        assert_ne!(second.mask(), hook().mask());
    }
}

proptest! {
    #[test]
    fn a_damaged_checkpoint_is_an_error_or_a_state_but_no_panic(
        cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), value in any::<u8>(),
    ) {
        let mut network = Chain::random(&[3, 2], 1);
        let fresh = || DynamicSparse::new(random(&network, 0.5), options(Growth::Rigl, 1)).unwrap();
        let good = fresh().save().unwrap();
        let mut bad = good.clone();
        bad[at.index(good.len())] = value;
        let mut hook = fresh();
        prop_assert!(hook.load(&good[..cut.index(good.len())]).is_err());
        prop_assert!(hook.load(&[&good[..], &[0]].concat()).is_err());
        if hook.load(&bad).is_ok() {
            let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
            let mut run = Run::resumed(&mut hooks, 1, 9);
            for _ in 0..3 {
                let idle = |_: &mut Chain, _: &LiveSets| Ok::<_, CoreError>(());
                let _ = run.step(&mut network, 0.1, idle, idle);
            }
            let _ = run.finish(&mut network);
        }
    }
}

#[test]
fn options_out_of_range_are_refused() {
    let good = DynamicOptions::default();
    good.validate().unwrap();
    for bad in [
        DynamicOptions { drop: 1.1, ..good },
        DynamicOptions {
            drop: f64::NAN,
            ..good
        },
        DynamicOptions { end: -0.1, ..good },
        DynamicOptions {
            end: f64::NAN,
            ..good
        },
        DynamicOptions {
            interval: 0,
            ..good
        },
    ] {
        assert!(DynamicSparse::new(Mask::default(), bad).is_err(), "{bad:?}");
    }
}
