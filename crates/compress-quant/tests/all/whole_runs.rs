//! Whole training runs with quantization: what they leave, what a failure leaves, and resuming.

use std::sync::atomic::{AtomicBool, Ordering};

use compress_core::codec::Tensor;
use compress_core::hook::{Run, TrainHook};
use compress_core::mask::Mask;
use compress_core::tensor::Role;
use compress_core::train::{Batch, Loss};
use compress_core::{Error, Result};
use compress_quant::Granularity;
use compress_quant::qat::{FakeQuantize, LearnedStep, LearnedStepOptions, Refit, Target};
use compress_quant::schemes::{LinearSymmetric, Range};
use compress_testing::{Chain, CrossEntropy, Sgd, blobs};
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::common::{Masked, bits};

const STEPS: usize = 40;

/// A hook that quantizes, of either kind.
enum Hook<'s> {
    Fake(FakeQuantize<'s>),
    Learned(LearnedStep),
}

impl Hook<'_> {
    fn as_hook(&mut self) -> &mut dyn TrainHook {
        match self {
            Hook::Fake(hook) => hook,
            Hook::Learned(hook) => hook,
        }
    }

    fn to_tensors(&self, network: &Chain) -> Vec<Tensor> {
        match self {
            Hook::Fake(hook) => hook.to_tensors(network).unwrap(),
            Hook::Learned(hook) => hook.to_tensors(network).unwrap(),
        }
    }
}

fn scheme() -> LinearSymmetric {
    LinearSymmetric::new(4, Granularity::Channel, Range::LeastSquares).unwrap()
}

/// Both kinds, fitted to the network.
fn hooks<'s>(network: &Chain, scheme: &'s LinearSymmetric) -> [Hook<'s>; 2] {
    let refit = Refit::Every {
        steps: 7,
        until: 0.8,
    };
    let fake = FakeQuantize::fit(network, &[(Target::Role(Role::Weight), scheme)]).unwrap();
    let options = LearnedStepOptions {
        bits: 4,
        penalty: 0.001,
        ..LearnedStepOptions::default()
    };
    let learned = LearnedStep::fit(network, options).unwrap();
    let fake = fake.with_refit(refit).unwrap();
    [Hook::Fake(fake), Hook::Learned(learned)]
}

/// A network of which a third of the weights is zero where it is pruned.
fn network(pruned: bool) -> Chain {
    let mut network = Chain::random(&[4, 8, 3], 1);
    if pruned {
        for parameter in &mut network.parameters {
            if parameter.role() == Role::Weight {
                let values = parameter.values_mut().iter_mut().step_by(3);
                values.for_each(|w| *w = 0.0);
            }
        }
    }
    network
}

/// Takes the steps `from..to` of a run with the hook, and a mask on one side of it where given.
fn train(
    trainer: &mut Sgd,
    hook: &mut Hook<'_>,
    mask: Option<(&Mask, Side)>,
    loss: &dyn Loss,
    steps: std::ops::Range<usize>,
) -> Result<Vec<f32>> {
    let data = blobs(128, 4, 3, 2);
    let hook = hook.as_hook();
    match mask {
        None => trainer.run(&data, loss, &mut [hook], steps, STEPS),
        Some((mask, side)) => {
            let mut masked = Masked(mask.clone());
            let mut hooks: [&mut dyn TrainHook; 2] = match side {
                Side::Before => [&mut masked, hook],
                Side::After => [hook, &mut masked],
            };
            trainer.run(&data, loss, &mut hooks, steps, STEPS)
        }
    }
}

/// Whether the mask comes before the hook that quantizes, or after it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Before,
    After,
}

const SIDES: [Option<Side>; 3] = [None, Some(Side::Before), Some(Side::After)];

#[test]
fn a_run_leaves_the_network_that_is_stored() {
    let scheme = scheme();
    for kind in 0..2 {
        let mut ends = Vec::new();
        for side in SIDES {
            let start = network(side.is_some());
            let mask = Mask::of_nonzeros(&start).unwrap();
            let mask = side.map(|side| (&mask, side));
            let mut trainer = Sgd::new(start.clone());
            let mut hook = hooks(&start, &scheme).into_iter().nth(kind).unwrap();
            let losses = train(&mut trainer, &mut hook, mask, &CrossEntropy, 0..STEPS).unwrap();
            assert!(losses[STEPS - 1] < losses[0], "{kind} {side:?}: {losses:?}");
            let tensors = hook.to_tensors(&trainer.network);
            let mut shipped = trainer.network.clone();
            compress_quant::ptq::load_into(&tensors, &mut shipped).unwrap();
            assert_eq!(bits(&shipped), bits(&trainer.network), "{kind} {side:?}");
            assert!(matches!(tensors[0], Tensor::Quantized(_)));
            if let Some((mask, _)) = mask {
                let now = Mask::of_nonzeros(&trainer.network).unwrap();
                for (now, mask) in now.tensors.iter().zip(&mask.tensors) {
                    let pairs = now.keep.iter().zip(&mask.keep);
                    assert!(pairs.into_iter().all(|(now, kept)| *kept || !*now));
                }
                ends.push(tensors);
            }
        }
        assert!(ends[0] == ends[1], "the order of hooks matters: {kind}");
    }
}

#[test]
fn a_run_that_is_ended_early_leaves_what_is_stored_too() {
    let (start, scheme) = (network(false), scheme());
    for mut hook in hooks(&start, &scheme) {
        let mut trainer = Sgd::new(start.clone());
        train(&mut trainer, &mut hook, None, &CrossEntropy, 0..9).unwrap();
        let trained = bits(&trainer.network);
        let mut of_run = [hook.as_hook()];
        let run = Run::resumed(&mut of_run, 9, STEPS);
        run.finish(&mut trainer.network).unwrap();
        assert_ne!(bits(&trainer.network), trained);
        let tensors = hook.to_tensors(&trainer.network);
        for (parameter, tensor) in trainer.network.parameters.iter().zip(&tensors) {
            assert_eq!(parameter.values(), tensor.values().unwrap());
        }
    }
}

/// Cross-entropy that fails once, when it is told to.
struct Failing(AtomicBool);

impl Loss for Failing {
    fn evaluate(
        &self,
        logits: ArrayView2<'_, f32>,
        batch: &Batch<'_>,
        gradient: ArrayViewMut2<'_, f32>,
    ) -> Result<f32> {
        match self.0.swap(false, Ordering::Relaxed) {
            true => Err(Error::Other("the loss fails".into())),
            false => CrossEntropy.evaluate(logits, batch, gradient),
        }
    }
}

#[test]
fn a_loss_that_fails_leaves_the_weights_in_full_precision() {
    let scheme = scheme();
    for (kind, side) in (0..2).flat_map(|kind| SIDES.map(|side| (kind, side))) {
        let start = network(side.is_some());
        let mask = Mask::of_nonzeros(&start).unwrap();
        let mask = side.map(|side| (&mask, side));
        let made = || (Sgd::new(start.clone()), hooks(&start, &scheme));
        let (mut whole, of_whole) = made();
        let mut of_whole = of_whole.into_iter().nth(kind).unwrap();
        train(&mut whole, &mut of_whole, mask, &CrossEntropy, 0..9).unwrap();
        let trained = bits(&whole.network);
        train(&mut whole, &mut of_whole, mask, &CrossEntropy, 9..STEPS).unwrap();

        let (mut failing, of_failing) = made();
        let mut of_failing = of_failing.into_iter().nth(kind).unwrap();
        train(&mut failing, &mut of_failing, mask, &CrossEntropy, 0..9).unwrap();
        let loss = Failing(AtomicBool::new(true));
        let error = train(&mut failing, &mut of_failing, mask, &loss, 9..STEPS).unwrap_err();
        assert!(error.to_string().contains("the loss fails"), "{error}");
        assert_eq!(bits(&failing.network), trained, "{kind} {side:?}");
        // The run can go on from there, to the same bits.
        train(&mut failing, &mut of_failing, mask, &loss, 9..STEPS).unwrap();
        assert_eq!(bits(&failing.network), bits(&whole.network));
    }
}

#[test]
fn resumed_runs_end_in_the_same_bits() {
    let scheme = scheme();
    for (kind, side) in (0..2).flat_map(|kind| SIDES.map(|side| (kind, side))) {
        let start = network(side.is_some());
        let mask = Mask::of_nonzeros(&start).unwrap();
        let mask = side.map(|side| (&mask, side));
        let fitted = |network: &Chain| hooks(network, &scheme).into_iter().nth(kind).unwrap();
        let mut whole = Sgd::new(start.clone());
        let mut hook = fitted(&start);
        train(&mut whole, &mut hook, mask, &CrossEntropy, 0..STEPS).unwrap();
        let stored = hook.to_tensors(&whole.network);

        // Before the grids are fitted again, between two fits, and after the last.
        for at in [3, 17, 36] {
            let mut resumed = Sgd::new(start.clone());
            let mut before = fitted(&start);
            train(&mut resumed, &mut before, mask, &CrossEntropy, 0..at).unwrap();
            let state = before.as_hook().save().unwrap();
            let mut after = fitted(&resumed.network);
            after.as_hook().load(&state).unwrap();
            train(&mut resumed, &mut after, mask, &CrossEntropy, at..STEPS).unwrap();
            assert_eq!(bits(&resumed.network), bits(&whole.network), "{kind} {at}");
            assert_eq!(after.to_tensors(&resumed.network), stored);
        }
    }
}
