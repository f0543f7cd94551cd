//! Runs: the order of calls, what is refused, and what failures leave behind.

mod pruned;

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::mask::TensorMask;
use crate::parameters::{Change, See};
use crate::tensor::{Role, TensorMut, TensorRef};
use crate::{Error, Result};

/// What happened, in order.
type Log = Rc<RefCell<Vec<String>>>;

fn note(log: &Log, what: impl Into<String>) {
    log.borrow_mut().push(what.into());
}

fn take(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.borrow_mut())
}

/// A weight `[2, 2]` and a bias `[2]`, with gradients and the velocities of an optimizer.
struct Model {
    weight: [f32; 4],
    bias: [f32; 2],
    gradients: [f32; 6],
    velocities: [f32; 6],
    /// What [`Gradients::hold`] returns.
    holds: bool,
    /// The live positions that it was told of; `None` where all are.
    told: Vec<Option<Vec<usize>>>,
    /// How often its values or gradients were lent to be changed.
    touched: usize,
}

impl Model {
    fn new() -> Self {
        Model {
            weight: [1.0, 2.0, 3.0, 4.0],
            bias: [5.0, 6.0],
            gradients: [0.0; 6],
            velocities: [0.0; 6],
            holds: false,
            told: Vec::new(),
            touched: 0,
        }
    }

    /// A gradient of one for every value.
    fn backward(&mut self) {
        self.gradients = [1.0; 6];
    }

    /// Momentum, which moves values whose gradients are zero.
    fn update(&mut self) {
        let values = self.weight.iter_mut().chain(&mut self.bias);
        let moved = values.zip(&mut self.velocities).zip(self.gradients);
        for ((value, velocity), gradient) in moved {
            *velocity = 0.5 * *velocity + gradient;
            *value -= 0.25 * *velocity;
        }
    }
}

impl Parameters for Model {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        see(TensorRef::weight("w", &[2, 2], &self.weight)?)?;
        see(TensorRef {
            name: "b",
            role: Role::Bias,
            shape: &[2],
            values: &self.bias,
        })
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        self.touched += 1;
        lend(&mut self.weight, &mut self.bias, change)
    }
}

impl Gradients for Model {
    fn visit_gradients(&mut self, change: &mut Change<'_>) -> Result<()> {
        self.touched += 1;
        let (weight, bias) = self.gradients.split_at_mut(4);
        lend(weight, bias, change)
    }

    fn hold(&mut self, live: &LiveSets) -> Result<bool> {
        let positions = live.of("w").map(|live| live.positions().collect());
        self.told.push(positions);
        Ok(self.holds)
    }
}

fn lend(weight: &mut [f32], bias: &mut [f32], change: &mut Change<'_>) -> Result<()> {
    for (name, role, shape, values) in [
        ("w", Role::Weight, &[2, 2][..], weight),
        ("b", Role::Bias, &[2], bias),
    ] {
        change(TensorMut {
            name,
            role,
            shape,
            values,
        })?;
    }
    Ok(())
}

/// Takes a step, and notes the forward pass and the update.
fn step(run: &mut Run<'_, '_>, model: &mut Model, log: &Log) -> Result<f32> {
    run.step(
        model,
        0.25,
        |model, _| {
            note(log, "gradients");
            model.backward();
            Ok::<_, Error>(7.0)
        },
        |model, _| {
            note(log, "update");
            model.update();
            Ok(())
        },
    )
}

/// Notes each call, and fails in the one that it is told to fail in.
struct Noting {
    name: &'static str,
    log: Log,
    fails_in: &'static str,
    steps: Vec<Step>,
}

impl Noting {
    fn new(name: &'static str, log: &Log) -> Self {
        Noting {
            name,
            log: log.clone(),
            fails_in: "",
            steps: Vec::new(),
        }
    }

    fn failing(name: &'static str, log: &Log, fails_in: &'static str) -> Self {
        Noting {
            fails_in,
            ..Self::new(name, log)
        }
    }

    fn called(&self, what: &'static str) -> Result<()> {
        note(&self.log, format!("{} {what}", self.name));
        match what == self.fails_in {
            true => Err(Error::invalid(what, self.name, "without fault")),
            false => Ok(()),
        }
    }
}

impl TrainHook for Noting {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.steps.push(training.step);
        self.called("before")
    }

    fn after_backward(&mut self, _: &mut Training<'_>) -> Result<()> {
        self.called("backward")
    }

    fn after_step(&mut self, _: &mut Training<'_>) -> Result<()> {
        self.called("step")
    }

    fn before_evaluation(&mut self, _: &mut dyn Parameters, _: &LiveSets) -> Result<()> {
        self.called("in")
    }

    fn after_evaluation(&mut self, _: &mut dyn Parameters) -> Result<()> {
        self.called("out")
    }

    fn finish(
        &mut self,
        _: &mut dyn Parameters,
        _: &LiveSets,
        steps: usize,
        total_steps: usize,
    ) -> Result<()> {
        note(&self.log, format!("{steps} of {total_steps}"));
        self.called("finish")
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.called("save")?;
        Ok(self.name.as_bytes().to_vec())
    }
}

/// Prunes by a mask, which it may replace after some steps; and adds to all values and gradients
/// whenever it can.
struct Pruning {
    mask: Mask,
    revision: u64,
    /// The mask after each step.
    next: Vec<Mask>,
    adds: f32,
    /// The live positions that it was shown in each call.
    seen: Vec<usize>,
}

fn mask(keep: [bool; 4]) -> Mask {
    Mask {
        tensors: vec![TensorMask {
            name: "w".into(),
            shape: vec![2, 2],
            keep: keep.to_vec(),
        }],
    }
}

impl Pruning {
    fn new(keep: [bool; 4]) -> Self {
        Pruning {
            mask: mask(keep),
            revision: 0,
            next: Vec::new(),
            adds: 0.0,
            seen: Vec::new(),
        }
    }

    fn look(&mut self, live: &LiveSets) {
        self.seen.push(live.of("w").map_or(4, |live| live.len()));
    }
}

impl TrainHook for Pruning {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.look(training.live);
        Ok(())
    }

    fn after_backward(&mut self, training: &mut Training<'_>) -> Result<()> {
        let adds = self.adds;
        training.model.visit_gradients(&mut |gradient| {
            gradient.values.iter_mut().for_each(|g| *g += adds);
            Ok(())
        })
    }

    fn after_step(&mut self, training: &mut Training<'_>) -> Result<()> {
        let adds = self.adds;
        training.model.visit_mut(&mut |tensor| {
            tensor.values.iter_mut().for_each(|w| *w += adds);
            Ok(())
        })?;
        if !self.next.is_empty() {
            self.mask = self.next.remove(0);
            self.revision += 1;
        }
        Ok(())
    }

    fn pruned(&self) -> Option<Pruned<'_>> {
        let (mask, revision) = (&self.mask, self.revision);
        Some(Pruned { mask, revision })
    }

    fn before_evaluation(&mut self, _: &mut dyn Parameters, live: &LiveSets) -> Result<()> {
        self.look(live);
        Ok(())
    }

    fn finish(
        &mut self,
        _: &mut dyn Parameters,
        live: &LiveSets,
        _: usize,
        _: usize,
    ) -> Result<()> {
        self.look(live);
        Ok(())
    }
}

#[test]
fn hooks_are_called_in_order_and_after_a_backward_pass_in_reverse() {
    let (log, mut model) = (Log::default(), Model::new());
    let (mut a, mut b) = (Noting::new("a", &log), Noting::new("b", &log));
    let mut hooks: [&mut dyn TrainHook; 2] = [&mut a, &mut b];
    let mut run = Run::new(&mut hooks, 3);
    assert_eq!((run.done(), run.total_steps()), (0, 3));
    assert_eq!(step(&mut run, &mut model, &log).unwrap(), 7.0);
    let expected = [
        "a before",
        "b before",
        "gradients",
        "b backward",
        "a backward",
        "update",
        "a step",
        "b step",
    ];
    assert_eq!(take(&log), expected);
    let found = run.evaluate(&mut model, |model| {
        note(&log, "evaluation");
        Ok::<_, Error>(model.bias[0])
    });
    assert_eq!(found.unwrap(), 4.75);
    assert_eq!(take(&log), ["a in", "b in", "evaluation", "b out", "a out"]);
    step(&mut run, &mut model, &log).unwrap();
    assert_eq!(run.done(), 2);
    assert_eq!(run.save().unwrap(), [b"a".to_vec(), b"b".to_vec()]);
    take(&log);
    run.finish(&mut model).unwrap();
    assert_eq!(take(&log), ["2 of 3", "a finish", "2 of 3", "b finish"]);
    let steps = [0, 1].map(|step| Step {
        step,
        total_steps: 3,
        learning_rate: 0.25,
    });
    assert_eq!(a.steps, steps);
    assert!(model.told == [None], "nothing was pruned");
    assert_eq!(model.touched, 0);
}

#[test]
fn steps_beyond_the_total_are_refused_before_anything_happens() {
    let (log, mut model) = (Log::default(), Model::new());
    let mut noting = Noting::new("a", &log);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut noting];
    let mut run = Run::new(&mut hooks, 1);
    step(&mut run, &mut model, &log).unwrap();
    take(&log);
    let error = step(&mut run, &mut model, &log).unwrap_err().to_string();
    let expected = "a training step is 2, but must be one of the 1 that";
    assert!(error.contains(expected), "{error}");
    assert_eq!((run.done(), take(&log).len()), (1, 0));
    let mut none: [&mut dyn TrainHook; 0] = [];
    assert!(step(&mut Run::new(&mut none, 0), &mut model, &log).is_err());
    assert!(step(&mut Run::resumed(&mut none, 5, 3), &mut model, &log).is_err());
    assert!(take(&log).is_empty());
}

/// What the log holds when the hook or pass of this name fails in a step of hooks a, b and c, of
/// which b is the one that fails.
fn failing_step(fails_in: &'static str) -> (Vec<String>, Error) {
    let (log, mut model) = (Log::default(), Model::new());
    let mut a = Noting::new("a", &log);
    let mut b = Noting::failing("b", &log, fails_in);
    let mut c = Noting::new("c", &log);
    let mut hooks: [&mut dyn TrainHook; 3] = [&mut a, &mut b, &mut c];
    let mut run = Run::new(&mut hooks, 2);
    let fail = |what| match what == fails_in {
        true => Err(Error::invalid(what, "x", "without fault")),
        false => Ok(()),
    };
    let error = run.step(
        &mut model,
        0.1,
        |_, _| fail("loss"),
        |_, _| fail("optimizer"),
    );
    assert_eq!(run.done(), 0);
    (take(&log), error.unwrap_err())
}

#[test]
fn whatever_fails_all_hooks_take_out_what_they_put_in() {
    let out = ["c out", "b out", "a out"];
    let before = ["a before", "b before", "c before"];
    let backward = ["c backward", "b backward", "a backward"];
    let after = ["a step", "b step"];
    for (fails_in, happened) in [
        ("before", before[..2].to_vec()),
        ("loss", before.to_vec()),
        ("backward", [&before[..], &backward[..2]].concat()),
        ("optimizer", [&before[..], &backward[..]].concat()),
        ("step", [&before[..], &backward[..], &after[..]].concat()),
    ] {
        let (log, error) = failing_step(fails_in);
        assert_eq!(log, [&happened[..], &out[..]].concat(), "{fails_in}");
        assert!(error.to_string().starts_with(fails_in), "{error}");
    }
}

#[test]
fn after_an_evaluation_that_fails_all_hooks_are_called_too() {
    let (log, mut model) = (Log::default(), Model::new());
    let mut a = Noting::new("a", &log);
    let mut b = Noting::failing("b", &log, "in");
    let mut c = Noting::failing("c", &log, "out");
    let mut hooks: [&mut dyn TrainHook; 3] = [&mut a, &mut b, &mut c];
    let error =
        Run::new(&mut hooks, 1).evaluate(&mut model, |_| -> Result<()> { panic!("not ready") });
    // The first error is the one that is reported.
    assert!(error.unwrap_err().to_string().starts_with("in is b"));
    assert_eq!(take(&log), ["a in", "b in", "c out", "b out", "a out"]);

    let mut hooks: [&mut dyn TrainHook; 2] = [&mut a, &mut c];
    let mut run = Run::new(&mut hooks, 1);
    let failed = |_: &Model| Err::<(), _>(Error::invalid("accuracy", 0, "better"));
    let error = run.evaluate(&mut model, failed).unwrap_err();
    assert!(error.to_string().starts_with("accuracy"), "{error}");
    assert_eq!(take(&log), ["a in", "c in", "c out", "a out"]);
    let error = run
        .evaluate(&mut model, |_| Ok::<_, Error>(()))
        .unwrap_err();
    assert!(error.to_string().starts_with("out is c"), "{error}");
    assert_eq!(take(&log), ["a in", "c in", "c out", "a out"]);

    a.fails_in = "out";
    let mut hooks: [&mut dyn TrainHook; 2] = [&mut a, &mut c];
    let both = Run::new(&mut hooks, 1).evaluate(&mut model, |_| Ok::<_, Error>(()));
    assert!(both.unwrap_err().to_string().starts_with("out is c"));
    assert_eq!(take(&log), ["a in", "c in", "c out", "a out"]);
}

#[test]
fn errors_of_hooks_end_saving_and_finishing() {
    let (log, mut model) = (Log::default(), Model::new());
    let mut a = Noting::failing("a", &log, "finish");
    let mut b = Noting::failing("b", &log, "save");
    let mut hooks: [&mut dyn TrainHook; 2] = [&mut a, &mut b];
    let run = Run::new(&mut hooks, 1);
    assert!(run.save().is_err());
    take(&log);
    let error = run.finish(&mut model).unwrap_err().to_string();
    assert!(error.starts_with("finish is a"), "{error}");
    // The other one is called all the same.
    assert_eq!(take(&log), ["0 of 1", "a finish", "0 of 1", "b finish"]);
}

#[test]
fn a_resumed_run_goes_on_where_it_was_and_knows_what_is_pruned() {
    let (log, mut model) = (Log::default(), Model::new());
    let (mut a, mut pruning) = (
        Noting::new("a", &log),
        Pruning::new([true, true, true, false]),
    );
    let mut hooks: [&mut dyn TrainHook; 2] = [&mut a, &mut pruning];
    let mut run = Run::resumed(&mut hooks, 2, 4);
    assert_eq!((run.done(), run.total_steps()), (2, 4));
    // Before its first step too.
    let seen = run.evaluate(&mut model, |model| Ok::<_, Error>(model.weight));
    assert_eq!(seen.unwrap(), [1.0, 2.0, 3.0, 0.0]);
    assert!(model.told.is_empty());
    for _ in 0..2 {
        step(&mut run, &mut model, &log).unwrap();
    }
    assert_eq!(model.told, [Some(vec![0, 1, 2])]);
    assert_eq!(model.weight[3], 0.0);
    run.finish(&mut model).unwrap();
    assert!(take(&log).contains(&"4 of 4".to_owned()));
    assert_eq!(a.steps.iter().map(|s| s.step).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(pruning.seen, [3; 4]);
    // One that was complete already.
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut pruning];
    Run::resumed(&mut hooks, 4, 4).finish(&mut model).unwrap();
    assert_eq!(pruning.seen, [3; 5]);
}

#[test]
fn a_hook_that_does_nothing_needs_no_state() {
    struct Nothing;
    impl TrainHook for Nothing {}
    let (log, mut model) = (Log::default(), Model::new());
    let mut nothing = Nothing;
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut nothing];
    let mut run = Run::new(&mut hooks, 1);
    step(&mut run, &mut model, &log).unwrap();
    assert_eq!(run.save().unwrap(), [Vec::<u8>::new()]);
    run.evaluate(&mut model, |_| Ok::<_, Error>(())).unwrap();
    run.finish(&mut model).unwrap();
    nothing.load(&[]).unwrap();
    assert!(nothing.pruned().is_none());
}
