//! Snapshots and what is rewound to them.

use compress_core::structured::{from_all_bytes, to_bytes};
use compress_core::train::{Fit, Run, TrainHook};
use compress_core::{Error as CoreError, Result};
use compress_prune::*;
use compress_testing::{Chain, CrossEntropy, Sgd, blobs};

/// A trainer of a network that has trained, and the network before.
fn trained() -> (Chain, Sgd) {
    let start = Chain::random(&[6, 12, 3], 1);
    let mut trainer = Sgd::new(start.clone());
    trainer
        .fit(&blobs(96, 6, 3, 1), &CrossEntropy, &mut [])
        .unwrap();
    (start, trainer)
}

fn mask_of(network: &Chain, density: f64) -> Mask {
    let scores = score(network, &Magnitude, &Known::nothing()).unwrap();
    Global::default().mask(&scores, density).unwrap()
}

#[test]
fn what_survives_goes_back_and_the_rest_to_zero() {
    let (start, trainer) = trained();
    let snapshot = Snapshot::of(&start).unwrap();
    let bytes = to_bytes(&snapshot).unwrap();
    assert_eq!(from_all_bytes::<Snapshot>(&bytes).unwrap(), snapshot);
    let mask = mask_of(&trainer.network, 0.3);
    let mut ticket = trainer.network.clone();
    snapshot.rewind(&mut ticket, &mask).unwrap();
    for ((was, is), before) in start
        .parameters
        .iter()
        .zip(&ticket.parameters)
        .zip(&trainer.network.parameters)
    {
        let keep = mask.of(was.name()).map(|tensor| &tensor.keep);
        assert_ne!(was.values(), before.values());
        for (i, (was, is)) in was.values().iter().zip(is.values()).enumerate() {
            let stays = keep.is_none_or(|keep| keep[i]);
            assert_eq!(is.to_bits(), if stays { was.to_bits() } else { 0 });
        }
    }
    snapshot.rewind(&mut ticket, &Mask::default()).unwrap();
    let values = |chain: &Chain| Snapshot::of(chain).unwrap();
    assert_eq!(values(&ticket), values(&start));
}

#[test]
fn a_model_with_other_tensors_is_refused_before_anything_changes() {
    let (start, trainer) = trained();
    let mask = mask_of(&start, 0.5);
    for other in [
        Chain::random(&[6, 3], 1),
        Chain::random(&[6, 12, 12, 3], 1),
        Chain::random(&[6, 11, 3], 1),
    ] {
        let mut changed = trainer.network.clone();
        let snapshot = Snapshot::of(&other).unwrap();
        snapshot.rewind(&mut changed, &Mask::default()).unwrap_err();
        assert_eq!(changed.parameters, trainer.network.parameters);
    }
    let mut wrong = mask.clone();
    wrong.tensors[1].shape = vec![12, 3];
    let mut changed = trainer.network.clone();
    let snapshot = Snapshot::of(&start).unwrap();
    snapshot.rewind(&mut changed, &wrong).unwrap_err();
    assert_eq!(changed.parameters, trainer.network.parameters);
}

/// Takes the values before each step.
#[derive(Default)]
struct Every(Vec<Snapshot>);

impl TrainHook for Every {
    fn before_forward(&mut self, training: &mut Training<'_>) -> Result<()> {
        self.0.push(Snapshot::of(training.model)?);
        Ok(())
    }
}

#[test]
fn a_snapshot_is_of_its_step_and_goes_through_a_checkpoint() {
    let data = blobs(96, 6, 3, 1);
    for step in [0, 7, 59] {
        let mut hook = SnapshotHook::before_step(step);
        let mut every = Every::default();
        let mut trainer = Sgd::new(Chain::random(&[6, 12, 3], 1));
        let mut hooks: [&mut dyn TrainHook; 2] = [&mut hook, &mut every];
        trainer
            .run(&data, &CrossEntropy, &mut hooks, 0..60, 60)
            .unwrap();
        assert_eq!(hook.snapshot(), Some(&every.0[step]));
        let mut other = SnapshotHook::before_step(step);
        other.load(&hook.save().unwrap()).unwrap();
        assert_eq!(other.snapshot(), hook.snapshot());
        // A second run leaves it.
        trainer
            .run(&data, &CrossEntropy, &mut [&mut other], 0..60, 60)
            .unwrap();
        assert_eq!(other.snapshot(), hook.snapshot());
        assert!(other.load(&hook.save().unwrap()[1..]).is_err());
    }
    let mut late = SnapshotHook::before_step(60);
    let mut trainer = Sgd::new(Chain::random(&[6, 12, 3], 1));
    let ended = trainer.run(&data, &CrossEntropy, &mut [&mut late], 0..60, 60);
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("after 60 steps, but"), "{error}");
}

#[test]
fn a_damaged_snapshot_is_refused() {
    // A tensor whose values do not fit its shape: `[2]`, and three values.
    let damaged = vec![("w".to_owned(), vec![2_usize], vec![1.0_f32, 2.0, 3.0])];
    let snapshot: Snapshot = from_all_bytes(&to_bytes(&damaged).unwrap()).unwrap();
    let mut values = ndarray::arr1(&[5.0, 6.0]);
    let mut model = Lent::new().weight("w", values.view_mut()).unwrap();
    let error = snapshot.rewind(&mut model, &Mask::default()).unwrap_err();
    assert!(matches!(error, CoreError::Shape { .. }), "{error}");
    assert_eq!(values, ndarray::arr1(&[5.0, 6.0]));
}

#[test]
fn a_run_that_fails_at_its_first_step_has_no_snapshot() {
    let mut hook = SnapshotHook::before_step(0);
    let mut hooks: [&mut dyn TrainHook; 1] = [&mut hook];
    let run = Run::new(&mut hooks, 5);
    let error = run.finish(&mut Chain::random(&[2, 1], 1)).unwrap_err();
    assert!(error.to_string().contains("ended after 0"), "{error}");
}
