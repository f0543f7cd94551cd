//! Schedules: the densities at both ends and between, and what they refuse.

use compress_core::train::{Run, TrainHook};
use compress_prune::*;
use compress_testing::Chain;

const PAIRS: [(f64, f64); 4] = [(1.0, 0.1), (0.9, 0.003), (0.5, 0.5), (1.0, 1e-12)];

fn all() -> impl Iterator<Item = Box<dyn Schedule>> {
    let settings = ScheduleSettings { rounds: 7 };
    SCHEDULES.iter().map(move |entry| (entry.make)(&settings))
}

#[test]
fn densities_fall_from_the_initial_to_the_final_one() {
    for schedule in all() {
        let name = schedule.name();
        for (initial, target) in PAIRS {
            schedule.check(initial, target).unwrap();
            let at = |i: u32| schedule.density(initial, target, f64::from(i) / 1000.0);
            let path: Vec<f64> = (0..=1000).map(at).collect();
            assert!(path.windows(2).all(|w| w[0] >= w[1]), "{name}");
            assert!(
                path.iter().all(|d| (target..=initial).contains(d)),
                "{name}"
            );
            let first = if name == "one_shot" { target } else { initial };
            assert_eq!((path[0], path[1000]), (first, target), "{name}");
        }
    }
}

#[test]
fn densities_are_those_of_the_formulas() {
    for (initial, target) in PAIRS {
        for i in 0..=1000 {
            let t = f64::from(i) / 1000.0;
            let ratio: f64 = target / initial;
            let close = |schedule: &dyn Schedule, expected: f64| {
                let found = schedule.density(initial, target, t);
                let (name, distance) = (schedule.name(), (found - expected).abs());
                // A sum may cancel as far as the initial density is exact.
                assert!(
                    distance < 1e-15 + 1e-12 * expected,
                    "{name} at {t}: {found}, not {expected}"
                );
            };
            close(&Linear, initial * (1.0 - t) + target * t);
            close(&Exponential, initial * ratio.powf(t));
            let left = 1.0 - t;
            close(&Cubic, target + (initial - target) * left * left * left);
            let rounds = 8 * i / 1000;
            let iterative = Iterative { rounds: 8 };
            close(&iterative, initial * ratio.powf(f64::from(rounds) / 8.0));
        }
    }
}

#[test]
fn rounds_prune_the_same_fraction_of_what_is_left() {
    let plan = Iterative { rounds: 12 }.densities(0.8, 0.01).unwrap();
    assert_eq!((plan.len(), plan[11]), (12, 0.01));
    let mut before = 0.8;
    for density in plan {
        let kept = density / before;
        assert!((kept - (0.01_f64 / 0.8).powf(1.0 / 12.0)).abs() < 1e-12);
        before = density;
    }
}

#[test]
fn rounds_fall_on_their_steps_in_spite_of_rounding() {
    // No quotient of steps is exact here: 0.1 and 0.7 of 50 steps, in ten rounds of 3.
    let options = GradualOptions {
        target: 0.125,
        begin: 0.1,
        end: 0.7,
        interval: 1,
        ..GradualOptions::default()
    };
    let schedule = Box::new(Iterative { rounds: 10 });
    let structure = Box::new(Global { floor: 0.02 });
    let mut hook = GradualPruning::new(Box::new(Magnitude), structure, schedule, options).unwrap();
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 50);
    let mut network = Chain::random(&[20, 50, 3], 1);
    for done in 1..=50_usize {
        let idle = run.step(&mut network, 0.1, |_, _| Ok(()), |_, _| Ok(()));
        idle.unwrap_or_else(|error: compress_core::Error| panic!("{error}"));
        let rounds = done.saturating_sub(5) / 3;
        let expected = 0.125_f64.powf(rounds.min(10) as f64 / 10.0) * 1150.0;
        let kept = Mask::of_nonzeros(&network).unwrap().kept();
        assert_eq!(kept, expected.round() as usize, "{done}");
    }
    run.finish(&mut network).unwrap();
}

#[test]
fn what_a_schedule_cannot_do_is_refused_before_the_run() {
    let pruning = |schedule, target| {
        let options = GradualOptions {
            target,
            ..GradualOptions::default()
        };
        GradualPruning::new(Box::new(Magnitude), Box::new(PerLayer), schedule, options)
    };
    for name in ["exponential", "iterative"] {
        let made = schedule(name, &ScheduleSettings::default()).unwrap();
        let error = pruning(made, 0.0).err().unwrap().to_string();
        assert!(error.contains(name) && error.contains("above 0"), "{error}");
    }
    for name in ["one_shot", "cubic", "linear"] {
        let made = schedule(name, &ScheduleSettings::default()).unwrap();
        pruning(made, 0.0).unwrap();
    }
    let none = Iterative { rounds: 0 };
    let error = pruning(Box::new(none), 0.5).err().unwrap().to_string();
    assert!(error.contains("at least 1"), "{error}");
    assert!(none.densities(1.0, 0.5).is_err());
    assert!(Iterative::default().densities(0.2, 0.5).is_err());
    assert!(Iterative::default().densities(f64::NAN, 0.5).is_err());
    // What nobody checked is no panic either.
    for schedule in all().chain([Box::new(none) as Box<dyn Schedule>]) {
        for [a, b, t] in [
            [0.0, 0.0, 0.5],
            [1.0, 0.0, 0.5],
            [0.1, 1.0, -3.0],
            [f64::NAN; 3],
        ] {
            let _ = schedule.density(a, b, t);
        }
    }
}
