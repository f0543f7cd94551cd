//! Masks and schedules while a network is trained.

use compress_core::gradients::{Gradients, LiveSets};
use compress_core::mask::TensorMask;
use compress_core::train::{Fit, Run, TrainHook, Training};
use compress_core::{Error as CoreError, Result};
use compress_prune::*;
use compress_testing::{Chain, CrossEntropy, Sgd, blobs};
use proptest::prelude::*;

fn pruning(options: GradualOptions) -> GradualPruning {
    let structure = Box::new(Global::default());
    GradualPruning::new(Box::new(Magnitude), structure, Box::new(Cubic), options).unwrap()
}

/// Calls `check` before each step, with how many are done.
struct Watch<F: FnMut(&mut dyn Gradients, usize)>(F);

impl<F: FnMut(&mut dyn Gradients, usize)> TrainHook for Watch<F> {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        (self.0)(training.model, training.step.step);
        Ok(())
    }
}

fn kept(model: &(impl Parameters + ?Sized)) -> usize {
    Mask::of_nonzeros(model).unwrap().kept()
}

/// Takes a step that changes nothing by itself.
fn idle(run: &mut Run<'_, '_>, network: &mut Chain) -> Result<()> {
    run.step(network, 0.1, |_, _| Ok(()), |_, _| Ok(()))
}

#[test]
fn a_mask_holds_through_momentum_and_what_stays_learns() {
    let data = blobs(96, 6, 3, 1);
    let mut trainer = Sgd::new(Chain::random(&[6, 12, 3], 1));
    // Momentum from dense steps goes on to push the masked weights.
    trainer.fit(&data, &CrossEntropy, &mut []).unwrap();
    let scores = score(&trainer.network, &Magnitude, &Known::nothing()).unwrap();
    let mask = Global::default().mask(&scores, 0.3).unwrap();
    let before = trainer.network.clone();
    let mut hook = MaskHook::new(mask.clone());
    let mut watch = Watch(|network: &mut dyn Gradients, done| {
        let check = |tensor: TensorRef<'_>| {
            if let Some(mask) = mask.of(tensor.name) {
                let mut pairs = tensor.values.iter().zip(&mask.keep);
                assert!(pairs.all(|(value, keep)| *keep || value.to_bits() == 0));
            }
            Ok(())
        };
        network.visit(&mut { check }).unwrap();
        if done > 0 {
            network
                .visit_gradients(&mut |gradient| check(gradient.as_ref()))
                .unwrap();
        }
    });
    trainer
        .fit(&data, &CrossEntropy, &mut [&mut hook, &mut watch])
        .unwrap();
    assert_eq!(Mask::of_nonzeros(&trainer.network).unwrap(), mask);
    assert_ne!(trainer.network.parameters[0], before.parameters[0]);
    assert_ne!(trainer.network.parameters[1], before.parameters[1]);
}

#[test]
fn nan_and_infinity_under_a_mask_go() {
    let mut network = Chain::random(&[2, 1], 1);
    let keep = vec![false, false];
    let (name, shape) = ("layers.0.weight".into(), vec![1, 2]);
    let mut hook = MaskHook::new(Mask {
        tensors: vec![TensorMask { name, shape, keep }],
    });
    let unfit = [f32::NAN, f32::NEG_INFINITY];
    network.parameters[0].values_mut().copy_from_slice(&unfit);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    Run::new(&mut hooks, 1)
        .step(
            &mut network,
            0.1,
            |network, _| {
                assert_eq!(network.parameters[0].values(), [0.0, 0.0]);
                network.parameters[0].gradient_mut().copy_from_slice(&unfit);
                Ok::<_, CoreError>(())
            },
            |network, _| {
                assert_eq!(network.parameters[0].gradient(), [0.0, 0.0]);
                network.parameters[0].values_mut().copy_from_slice(&unfit);
                Ok(())
            },
        )
        .unwrap();
    assert_eq!(network.parameters[0].values(), [0.0, 0.0]);
}

#[test]
fn a_mask_of_another_network_is_refused_before_anything_changes() {
    let network = Chain::random(&[3, 2], 1);
    let good = Mask::of_nonzeros(&network).unwrap().tensors[0].clone();
    let with = |edit: fn(&mut TensorMask)| {
        let mut first = good.clone();
        first.keep.fill(false);
        let mut second = good.clone();
        edit(&mut second);
        MaskHook::new(Mask {
            tensors: vec![first, second],
        })
    };
    let mut hooks = [
        with(|t| t.name = "layers.9.weight".into()),
        with(|t| t.shape = vec![3, 2]),
        with(|t| t.keep.truncate(5)),
    ];
    for hook in &mut hooks {
        let mut changed = network.clone();
        let mut hooks: [&mut dyn TrainHook; 1] = [hook];
        assert!(idle(&mut Run::new(&mut hooks, 1), &mut changed).is_err());
        assert_eq!(changed.parameters, network.parameters);
    }
}

#[test]
fn the_density_follows_zhu_and_gupta() {
    // 96 samples in batches of 16 over 10 epochs: 60 steps; pruning from 12 to 48 every 6.
    let options = GradualOptions {
        initial: 0.9,
        target: 0.1,
        begin: 0.2,
        end: 0.8,
        interval: 6,
        ..GradualOptions::default()
    };
    let data = blobs(96, 20, 3, 1);
    let mut trainer = Sgd::new(Chain::random(&[20, 50, 3], 1));
    let total = 20.0 * 50.0 + 50.0 * 3.0;
    let mut hook = pruning(options);
    let mut steps = 0;
    let mut watch = Watch(|network: &mut dyn Gradients, done| {
        let (t0, n, dt) = (12.0, 6.0, 6.0);
        let t = (done / 6 * 6) as f64;
        let expected = if t < t0 {
            1.0
        } else {
            // Equation 1, in sparsities.
            let (si, sf) = (0.1, 0.9);
            let t = t.min(t0 + n * dt);
            1.0 - (sf + (si - sf) * (1.0 - (t - t0) / (n * dt)).powi(3))
        };
        let kept = kept(network) as f64;
        assert!(
            (kept - expected * total).abs() <= 0.5 + 1e-6,
            "{done}: {kept} {}",
            expected * total
        );
        steps += 1;
    });
    trainer
        .fit(&data, &CrossEntropy, &mut [&mut hook, &mut watch])
        .unwrap();
    assert_eq!(steps, 60);
    assert_eq!(hook.mask().kept(), (0.1_f64 * total).round() as usize);
    // A second run holds the mask.
    let mask = hook.mask().clone();
    trainer.fit(&data, &CrossEntropy, &mut [&mut hook]).unwrap();
    assert_eq!(Mask::of_nonzeros(&trainer.network).unwrap(), mask);
}

#[test]
fn the_final_density_is_reached_whatever_the_interval() {
    for (begin, end, interval) in [
        (0.0, 1.0, 1000),
        (0.0, 1.0, 7),
        (0.5, 0.5, 100),
        (0.0, 0.0, 1),
        (1.0, 1.0, 3),
    ] {
        let options = GradualOptions {
            target: 0.2,
            begin,
            end,
            interval,
            ..GradualOptions::default()
        };
        let mut trainer = Sgd::new(Chain::random(&[6, 12, 3], 1));
        let mut hook = pruning(options);
        trainer
            .fit(&blobs(96, 6, 3, 1), &CrossEntropy, &mut [&mut hook])
            .unwrap();
        assert_eq!(kept(&trainer.network), 22, "{begin} {end} {interval}");
    }
}

#[test]
fn one_shot_prunes_once() {
    let options = GradualOptions {
        target: 0.5,
        begin: 0.5,
        interval: 10,
        ..GradualOptions::default()
    };
    let mut hook = GradualPruning::new(
        criterion("magnitude", &CriterionSettings::default()).unwrap(),
        structure("per_layer", &StructureSettings::default()).unwrap(),
        schedule("one_shot", &ScheduleSettings::default()).unwrap(),
        options,
    )
    .unwrap();
    let mut trainer = Sgd::new(Chain::random(&[6, 12, 3], 1));
    let mut watch = Watch(|network: &mut dyn Gradients, done| {
        assert_eq!(kept(network), if done < 30 { 108 } else { 54 }, "{done}");
    });
    trainer
        .fit(
            &blobs(96, 6, 3, 1),
            &CrossEntropy,
            &mut [&mut hook, &mut watch],
        )
        .unwrap();
}

/// Scores of two weights that turn round at each pruning: what was best becomes worst.
struct Fickle(std::cell::Cell<usize>);

impl Criterion for Fickle {
    fn name(&self) -> &'static str {
        "fickle"
    }

    fn score(&self, weight: TensorRef<'_>, _: &Evidence<'_>) -> Result<Vec<f32>> {
        let calls = self.0.replace(self.0.get() + 1);
        let count = weight.values.len();
        let up = (calls / 2).is_multiple_of(2);
        let score = |i: usize| if up { i as f32 } else { (count - i) as f32 };
        Ok((0..count).map(score).collect())
    }
}

#[test]
fn a_loaded_mask_is_live_before_the_first_forward_pass() {
    let mut first = pruning(GradualOptions {
        target: 0.3,
        ..GradualOptions::default()
    });
    let mut trainer = Sgd::new(Chain::random(&[6, 12, 3], 1));
    trainer
        .fit(&blobs(96, 6, 3, 1), &CrossEntropy, &mut [&mut first])
        .unwrap();
    let mask = first.mask().clone();
    let mut gradual = pruning(GradualOptions::default());
    gradual.load(&first.save().unwrap()).unwrap();
    let hooks: [&mut dyn TrainHook; 2] = [&mut gradual, &mut MaskHook::new(mask.clone())];
    for hook in hooks {
        // As a checkpoint leaves it: the values, and no word of what is live.
        let mut network = Chain::random(&[6, 12, 3], 1);
        let mut hooks: [&mut dyn TrainHook; 1] = [hook];
        let mut run = Run::resumed(&mut hooks, 3, 10);
        let look = |network: &mut Chain, live: &LiveSets| {
            assert_eq!(Mask::of_nonzeros(network)?, mask);
            for tensor in &mask.tensors {
                let live = live.of(&tensor.name).expect("pruned").positions();
                assert!(live.eq((0..tensor.keep.len()).filter(|&i| tensor.keep[i])));
            }
            Ok::<_, CoreError>(())
        };
        run.step(&mut network, 0.1, look, |_, _| Ok(())).unwrap();
        assert_eq!(Mask::of_nonzeros(&network).unwrap(), mask);
    }
}

#[test]
fn pruned_weights_come_back_only_where_they_may() {
    for regrowth in [Regrowth::Never, Regrowth::Allowed] {
        let options = GradualOptions {
            target: 0.2,
            interval: 6,
            regrowth,
            ..GradualOptions::default()
        };
        let criterion = Box::new(Fickle(0.into()));
        let mut hook =
            GradualPruning::new(criterion, Box::new(PerLayer), Box::new(Cubic), options).unwrap();
        let mut trainer = Sgd::new(Chain::random(&[6, 12, 3], 1));
        let mut previous: Option<Mask> = None;
        let mut returned = 0;
        let mut watch = Watch(|network: &mut dyn Gradients, _| {
            let now = Mask::of_nonzeros(network).unwrap();
            if let Some(before) = &previous {
                let pairs = before.tensors.iter().zip(&now.tensors);
                returned += pairs
                    .flat_map(|(a, b)| a.keep.iter().zip(&b.keep))
                    .filter(|(a, b)| !**a && **b)
                    .count();
            }
            previous = Some(now);
        });
        trainer
            .fit(
                &blobs(96, 6, 3, 1),
                &CrossEntropy,
                &mut [&mut hook, &mut watch],
            )
            .unwrap();
        assert_eq!(
            returned > 0,
            regrowth == Regrowth::Allowed,
            "{regrowth:?}: {returned}"
        );
        assert_eq!(hook.mask().kept(), 14 + 7);
        assert_eq!(&Mask::of_nonzeros(&trainer.network).unwrap(), hook.mask());
    }
}

#[test]
fn with_regrowth_a_pruned_weight_learns_behind_the_mask() {
    let options = GradualOptions {
        target: 0.5,
        begin: 0.0,
        end: 0.0,
        interval: 1,
        regrowth: Regrowth::Allowed,
        ..GradualOptions::default()
    };
    let mut hook = pruning(options);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 10);
    let mut network = Chain::random(&[2, 1], 1);
    network.parameters[0]
        .values_mut()
        .copy_from_slice(&[0.5, 2.0]);
    idle(&mut run, &mut network).unwrap();
    for behind in [0.5, 0.75] {
        let learn = |network: &mut Chain, _: &LiveSets| {
            assert_eq!(network.parameters[0].values(), [0.0, 2.0]);
            network.parameters[0].gradient_mut().fill(1.0);
            Ok::<_, CoreError>(())
        };
        let update = |network: &mut Chain, _: &LiveSets| {
            assert_eq!(network.parameters[0].values(), [behind, 2.0]);
            assert_eq!(network.parameters[0].gradient(), [1.0, 1.0]);
            network.parameters[0].values_mut()[0] += 0.25;
            Ok(())
        };
        run.step(&mut network, 0.1, learn, update).unwrap();
        assert_eq!(network.parameters[0].values(), [0.0, 2.0]);
    }
    run.finish(&mut network).unwrap();
    assert_eq!(network.parameters[0].values(), [0.0, 2.0]);
}

#[test]
fn a_run_that_was_interrupted_ends_in_the_same_bits() {
    for regrowth in [Regrowth::Never, Regrowth::Allowed] {
        let options = GradualOptions {
            target: 0.2,
            interval: 6,
            regrowth,
            ..GradualOptions::default()
        };
        let data = blobs(96, 6, 3, 1);
        let mut whole = Sgd::new(Chain::random(&[6, 12, 3], 1));
        let mut hook = pruning(options);
        whole
            .run(&data, &CrossEntropy, &mut [&mut hook], 0..60, 60)
            .unwrap();

        let mut halves = Sgd::new(Chain::random(&[6, 12, 3], 1));
        let mut first = pruning(options);
        halves
            .run(&data, &CrossEntropy, &mut [&mut first], 0..27, 60)
            .unwrap();
        let mut second = pruning(options);
        second.load(&first.save().unwrap()).unwrap();
        halves
            .run(&data, &CrossEntropy, &mut [&mut second], 27..60, 60)
            .unwrap();
        assert_eq!(halves.network.parameters, whole.network.parameters);
        assert_eq!(second.mask(), hook.mask());
    }
}

#[test]
fn a_mask_goes_through_a_checkpoint() {
    let mask = Mask::of_nonzeros(&Chain::random(&[3, 2], 1)).unwrap();
    let hook = MaskHook::new(mask.clone());
    let mut other = MaskHook::new(Mask::default());
    other.load(&hook.save().unwrap()).unwrap();
    assert_eq!(other.mask(), &mask);

    let mut torn = mask;
    torn.tensors[0].shape = vec![usize::MAX, 2];
    let error = other
        .load(&MaskHook::new(torn).save().unwrap())
        .unwrap_err();
    assert!(error.to_string().contains("6 marks"), "{error}");
    assert_eq!(other.mask(), hook.mask());
}

/// A hook with weights behind its mask, after a step.
fn begun() -> GradualPruning {
    let mut hook = pruning(GradualOptions {
        interval: 1,
        regrowth: Regrowth::Allowed,
        ..GradualOptions::default()
    });
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    idle(&mut Run::new(&mut hooks, 9), &mut Chain::random(&[3, 2], 1)).unwrap();
    hook
}

proptest! {
    #[test]
    fn a_damaged_checkpoint_is_an_error_or_a_state_but_no_panic(
        cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), value in any::<u8>(),
    ) {
        let mask = MaskHook::new(begun().mask().clone());
        for good in [mask.save().unwrap(), begun().save().unwrap()] {
            let longer = [&good[..], &[0]].concat();
            let mut bad = good.clone();
            bad[at.index(good.len())] = value;
            let (mut mask, mut gradual) = (MaskHook::new(Mask::default()), begun());
            let hooks: [&mut dyn TrainHook; 2] = [&mut mask, &mut gradual];
            for hook in hooks {
                prop_assert!(hook.load(&good[..cut.index(good.len())]).is_err());
                prop_assert!(hook.load(&longer).is_err());
                if hook.load(&bad).is_ok() {
                    let mut network = Chain::random(&[3, 2], 1);
                    let mut hooks: [&mut dyn TrainHook; 1] = [hook];
                    let mut run = Run::resumed(&mut hooks, 1, 9);
                    let _ = idle(&mut run, &mut network);
                    let _ = run.finish(&mut network);
                }
            }
        }
    }
}

#[test]
fn options_out_of_range_are_refused() {
    let good = GradualOptions::default();
    good.validate().unwrap();
    let bad = [
        GradualOptions {
            initial: 1.1,
            ..good
        },
        GradualOptions {
            target: -0.1,
            ..good
        },
        GradualOptions {
            target: f64::NAN,
            ..good
        },
        GradualOptions {
            initial: 0.3,
            target: 0.5,
            ..good
        },
        GradualOptions { begin: 0.9, ..good },
        GradualOptions {
            begin: f64::NAN,
            ..good
        },
        GradualOptions { end: 1.1, ..good },
        GradualOptions {
            interval: 0,
            ..good
        },
    ];
    for options in bad {
        let hook = GradualPruning::new(
            Box::new(Magnitude),
            Box::new(PerLayer),
            Box::new(Cubic),
            options,
        );
        assert!(hook.is_err(), "{options:?}");
    }
}

/// The magnitude, but NaN for the first value of the first weight from the second pruning on.
struct Breaks(std::cell::Cell<usize>);

impl Criterion for Breaks {
    fn name(&self) -> &'static str {
        "breaks"
    }

    fn score(&self, weight: TensorRef<'_>, known: &Evidence<'_>) -> Result<Vec<f32>> {
        let mut scores = Magnitude.score(weight, known)?;
        if self.0.replace(self.0.get() + 1) == 2 {
            scores[0] = f32::NAN;
        }
        Ok(scores)
    }
}

#[test]
fn a_score_that_cannot_be_ranked_is_an_error_at_every_pruning() {
    let options = GradualOptions {
        interval: 1,
        ..GradualOptions::default()
    };
    let criterion = Box::new(Breaks(0.into()));
    let structure = Box::new(Global::default());
    let mut hook = GradualPruning::new(criterion, structure, Box::new(Cubic), options).unwrap();
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 20);
    let mut network = Chain::random(&[4, 6, 3], 1);
    idle(&mut run, &mut network).unwrap();
    let error = idle(&mut run, &mut network).unwrap_err();
    assert!(error.to_string().contains("layers.0.weight"), "{error}");
}

/// Keeps every other weight, whatever the scores; the others at the next call; one of them always.
struct Alternating(std::cell::Cell<usize>, Option<usize>);

impl Structure for Alternating {
    fn name(&self) -> &'static str {
        "alternating"
    }

    fn mask(&self, scores: &Scores, _: f64) -> Result<Mask> {
        let phase = self.0.replace(1 - self.0.get());
        let stays = |i| i % 2 == phase || self.1 == Some(i);
        let tensors = scores.tensors.iter().map(|t| TensorMask {
            name: t.name.clone(),
            shape: t.shape.clone(),
            keep: (0..t.values.len()).map(stays).collect(),
        });
        Ok(Mask {
            tensors: tensors.collect(),
        })
    }
}

#[test]
fn a_structure_that_ignores_scores_brings_nothing_back() {
    let options = GradualOptions {
        interval: 1,
        ..GradualOptions::default()
    };
    for always in [Some(0), None] {
        let structure = Box::new(Alternating(0.into(), always));
        let mut hook =
            GradualPruning::new(Box::new(Magnitude), structure, Box::new(Cubic), options).unwrap();
        let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
        let mut run = Run::new(&mut hooks, 100);
        let mut network = Chain::random(&[4, 2], 1);
        idle(&mut run, &mut network).unwrap();
        assert_eq!(kept(&network), 4);
        let second = idle(&mut run, &mut network);
        match always {
            Some(_) => assert_eq!((second.unwrap(), kept(&network)), ((), 1)),
            // Nothing is in both masks: an error, and the mask stays as it was.
            None => {
                let error = second.unwrap_err().to_string();
                assert!(error.contains("layers.0.weight would lose all"), "{error}");
                assert_eq!(hook.mask().kept(), 4);
            }
        }
    }
}

/// Goes back where it must not.
struct Returning;

impl Schedule for Returning {
    fn name(&self) -> &'static str {
        "returning"
    }

    fn density(&self, _: f64, _: f64, elapsed: f64) -> f64 {
        if elapsed < 0.5 { 0.5 } else { 0.75 }
    }
}

#[test]
fn the_density_never_rises() {
    let options = GradualOptions {
        target: 0.0,
        end: 1.0,
        interval: 1,
        regrowth: Regrowth::Allowed,
        ..GradualOptions::default()
    };
    let structure = Box::new(Global::default());
    let mut hook =
        GradualPruning::new(Box::new(Magnitude), structure, Box::new(Returning), options).unwrap();
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let mut run = Run::new(&mut hooks, 10);
    let mut network = Chain::random(&[4, 2], 1);
    for done in 1..=10 {
        idle(&mut run, &mut network).unwrap();
        assert_eq!(kept(&network), if done < 10 { 4 } else { 0 }, "{done}");
    }
    run.finish(&mut network).unwrap();
}
