//! Pruned weights: who holds them at zero, and which masks are followed.

use super::*;

#[test]
fn pruned_weights_and_their_gradients_stay_zero_whatever_moves_them() {
    let (log, mut model) = (Log::default(), Model::new());
    // What stood on a pruned weight does not matter.
    (model.weight[1], model.velocities) = (f32::NAN, [8.0; 6]);
    let mut pruning = Pruning::new([true, false, true, false]);
    pruning.adds = 0.125;
    let mut other = Pruning::new([true; 4]);
    (other.adds, other.revision) = (1.0, 9);
    let mut hooks: [&mut dyn TrainHook; 2] = [&mut pruning, &mut other];
    let mut run = Run::new(&mut hooks, 5);
    for _ in 0..5 {
        let loss = run.step(
            &mut model,
            0.25,
            |model, live| {
                let live: Vec<usize> = live.of("w").unwrap().positions().collect();
                assert_eq!(live, [0, 2]);
                assert_eq!([model.weight[1], model.weight[3]], [0.0; 2]);
                model.backward();
                model.gradients[3] = f32::INFINITY;
                Ok::<_, Error>(())
            },
            |model, live| {
                assert!(live.of("w").is_some() && live.of("b").is_none());
                assert_eq!(model.gradients, [2.125, 0.0, 2.125, 0.0, 2.125, 2.125]);
                model.update();
                assert!(model.weight[1] != 0.0, "momentum moves it");
                Ok(())
            },
        );
        loss.unwrap();
        // Also what hooks add after the step.
        assert_eq!([model.weight[1], model.weight[3]], [0.0; 2]);
        assert!(model.weight[0] != 0.0 && model.bias[0] != 0.0);
    }
    let live: Vec<usize> = run.live().of("w").unwrap().positions().collect();
    assert_eq!(live, [0, 2]);
    run.finish(&mut model).unwrap();
    assert_eq!(model.told, [Some(vec![0, 2])]);
    assert_eq!(log.borrow().len(), 0);
}

#[test]
fn hooks_after_a_step_see_pruned_weights_at_zero() {
    struct Seeing;
    impl TrainHook for Seeing {
        fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
            crate::parameters::with(training.model, "w", |tensor| {
                assert_eq!((tensor.values[0], tensor.values[3]), (0.0, 0.0));
                Ok(())
            })
        }
    }
    let (log, mut model) = (Log::default(), Model::new());
    let mut pruning = Pruning::new([false, true, true, false]);
    let mut hooks: [&mut dyn TrainHook; 2] = [&mut Seeing, &mut pruning];
    let mut run = Run::new(&mut hooks, 3);
    for _ in 0..3 {
        step(&mut run, &mut model, &log).unwrap();
    }
}

#[test]
fn a_mask_that_changes_is_followed_after_the_step() {
    let (log, mut model) = (Log::default(), Model::new());
    let mut pruning = Pruning::new([true; 4]);
    pruning.next = vec![
        mask([true, true, true, false]),
        mask([true, false, false, false]),
        // A weight may come back.
        mask([true, true, false, false]),
    ];
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut pruning];
    let mut run = Run::new(&mut hooks, 4);
    let mut zeros = Vec::new();
    for _ in 0..4 {
        step(&mut run, &mut model, &log).unwrap();
        zeros.push(model.weight.map(|w| w == 0.0));
    }
    let expected = [
        [false, false, false, true],
        [false, true, true, true],
        [false, true, true, true],
        [false, false, true, true],
    ];
    assert_eq!(zeros, expected);
    let told = [vec![0, 1, 2, 3], vec![0, 1, 2], vec![0], vec![0, 1]];
    assert_eq!(model.told, told.map(Some));
    assert_eq!(pruning.seen, [4, 3, 1, 2]);
}

#[test]
fn the_masks_of_two_hooks_both_hold() {
    let (log, mut model) = (Log::default(), Model::new());
    let mut first = Pruning::new([false, true, true, true]);
    let mut second = Pruning::new([true, true, true, false]);
    second.next = vec![mask([true, true, false, true])];
    let mut hooks: [&mut dyn TrainHook; 2] = [&mut first, &mut second];
    let mut run = Run::new(&mut hooks, 2);
    step(&mut run, &mut model, &log).unwrap();
    assert_eq!(model.told, [Some(vec![1, 2]), Some(vec![1, 3])]);
    step(&mut run, &mut model, &log).unwrap();
    assert_eq!(model.weight.map(|w| w == 0.0), [true, false, true, false]);
    assert_eq!(model.told.len(), 2);
}

#[test]
fn a_model_that_holds_its_weights_is_told_each_change_and_left_alone() {
    let (log, mut model) = (Log::default(), Model::new());
    model.holds = true;
    let mut pruning = Pruning::new([true, true, true, false]);
    pruning.next = vec![mask([true, true, false, false])];
    let mut noting = Noting::new("a", &log);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut pruning];
    let mut run = Run::new(&mut hooks, 4);
    step(&mut run, &mut model, &log).unwrap();
    assert_eq!(model.told, [Some(vec![0, 1, 2]), Some(vec![0, 1])]);
    // Dead weights are set to zero once.
    assert_eq!((model.weight[2], model.weight[3] != 0.0), (0.0, false));
    let of_hook = 2;
    assert_eq!(model.touched, of_hook + 2);
    for _ in 0..3 {
        model.touched = 0;
        step(&mut run, &mut model, &log).unwrap();
        assert_eq!(model.touched, of_hook);
    }
    assert!(model.weight[2] != 0.0, "this model breaks its promise");
    assert_eq!(model.told.len(), 2);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut noting];
    let mut run = Run::new(&mut hooks, 1);
    step(&mut run, &mut model, &log).unwrap();
    assert_eq!(model.told.last(), Some(&None));
}

#[test]
fn masks_that_do_not_fit_are_refused_before_anything_changes() {
    let of = |name: &str, shape: &[usize], marks: usize| TensorMask {
        name: name.into(),
        shape: shape.to_vec(),
        keep: vec![false; marks],
    };
    let good = of("w", &[2, 2], 4);
    for bad in [
        vec![of("v", &[2, 2], 4)],
        vec![of("w", &[4, 1], 4)],
        vec![of("w", &[2, 2], 3)],
        vec![of("b", &[3], 3)],
        vec![good.clone(), good.clone()],
    ] {
        let (log, mut model) = (Log::default(), Model::new());
        let (mut a, mut fits) = (Noting::new("a", &log), Pruning::new([false; 4]));
        let mut unfit = Pruning::new([true; 4]);
        unfit.mask.tensors = bad;
        let mut hooks: [&mut dyn TrainHook; 3] = [&mut a, &mut fits, &mut unfit];
        let mut run = Run::new(&mut hooks, 1);
        step(&mut run, &mut model, &log).unwrap_err();
        assert_eq!((run.done(), take(&log)), (0, vec!["a out".to_owned()]));
        assert!(run.live().is_empty());
        run.evaluate(&mut model, |_| Ok::<_, Error>(()))
            .unwrap_err();
        run.finish(&mut model).unwrap_err();
        assert_eq!(model.weight, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!((model.touched, model.told.len()), (0, 0));
    }
}

#[test]
fn a_mask_that_no_longer_fits_leaves_the_one_before() {
    let (log, mut model) = (Log::default(), Model::new());
    let mut pruning = Pruning::new([true, true, true, false]);
    let mut unfit = mask([false; 4]);
    unfit.tensors[0].name = "v".into();
    pruning.next = vec![unfit];
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut pruning];
    let mut run = Run::new(&mut hooks, 2);
    let error = step(&mut run, &mut model, &log).unwrap_err().to_string();
    assert!(error.contains("no tensor named \"v\""), "{error}");
    let live: Vec<usize> = run.live().of("w").unwrap().positions().collect();
    assert_eq!((live, model.told.len()), (vec![0, 1, 2], 1));
    assert_eq!(model.weight[3], 0.0);
}

/// Notes the values of the weight when the run ends, and then adds to all of them.
struct Ending {
    seen: Vec<[f32; 4]>,
    adds: f32,
}

impl TrainHook for Ending {
    fn finish(
        &mut self,
        model: &mut dyn Parameters,
        _: &LiveSets,
        _: usize,
        _: usize,
    ) -> Result<()> {
        crate::parameters::with_mut(model, "w", |tensor| {
            self.seen.push([0, 1, 2, 3].map(|i| tensor.values[i]));
            tensor.values.iter_mut().for_each(|w| *w += self.adds);
            Ok(())
        })
    }
}

#[test]
fn pruned_weights_are_zero_before_hooks_finish_and_must_be_zero_after() {
    for (adds, message) in [
        (0.0, None),
        (0.5, Some("of w at index 1 is 0.5")),
        (f32::NAN, Some("NaN")),
    ] {
        let mut model = Model::new();
        let mut ending = Ending {
            seen: Vec::new(),
            adds,
        };
        let mut pruning = Pruning::new([true, false, true, false]);
        let mut hooks: [&mut dyn TrainHook; 2] = [&mut ending, &mut pruning];
        let ended = Run::new(&mut hooks, 1).finish(&mut model);
        assert_eq!(ending.seen, [[1.0, 0.0, 3.0, 0.0]]);
        match message {
            None => ended.unwrap(),
            Some(message) => {
                let error = ended.unwrap_err().to_string();
                assert!(error.contains(message), "{error}");
            }
        }
    }
}

/// Prunes, and reads the gradients of dead weights in the second of three steps.
struct Reading {
    pruning: Pruning,
    done: usize,
    seen: Vec<[f32; 4]>,
}

impl TrainHook for Reading {
    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        assert!(training.live.of("w").is_some());
        training.model.visit_gradients(&mut |gradient| {
            if gradient.name == "w" {
                self.seen.push([0, 1, 2, 3].map(|i| gradient.values[i]));
            }
            Ok(())
        })
    }

    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.done = training.step.step + 1;
        Ok(())
    }

    fn needs_dead_gradients(&self) -> bool {
        self.done == 1
    }

    fn pruned(&self) -> Option<Pruned<'_>> {
        self.pruning.pruned()
    }
}

#[test]
fn a_hook_can_read_the_gradients_of_dead_weights() {
    for holds in [false, true] {
        let mut model = Model::new();
        model.holds = holds;
        let mut reading = Reading {
            pruning: Pruning::new([true, false, true, false]),
            done: 0,
            seen: Vec::new(),
        };
        let mut hooks: [&mut dyn TrainHook; 1] = [&mut reading];
        let mut run = Run::new(&mut hooks, 3);
        for step in 0..3 {
            let moved = run.step(
                &mut model,
                0.25,
                |model, live| {
                    assert_eq!(live.is_empty(), step == 1);
                    model.backward();
                    if let Some(live) = live.of("w") {
                        live.zero_dead(&mut model.gradients[..4]);
                    }
                    Ok::<_, Error>(())
                },
                |model, live| {
                    assert_eq!(live.of("w").unwrap().len(), 2);
                    assert_eq!(model.gradients, [1.0, 0.0, 1.0, 0.0, 1.0, 1.0]);
                    model.update();
                    // What it would do to dead weights in spite of their gradients.
                    model.weight[1] += f32::from(u8::from(step == 1));
                    Ok(())
                },
            );
            moved.unwrap();
            assert_eq!([model.weight[1], model.weight[3]], [0.0; 2]);
            let looked = run.evaluate(&mut model, |model| {
                assert_eq!([model.weight[1], model.weight[3]], [0.0; 2]);
                Ok::<_, Error>(())
            });
            looked.unwrap();
        }
        run.finish(&mut model).unwrap();
        let live = [1.0, 0.0, 1.0, 0.0];
        assert_eq!(reading.seen, [live, [1.0; 4], live]);
        assert_eq!(model.told, [Some(vec![0, 2]), None, Some(vec![0, 2])]);
    }
}
