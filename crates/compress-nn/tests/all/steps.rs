//! A run that is driven from outside, batch by batch.

use compress_core::network::Activation;
use compress_core::train::{ArraySamples, Fit, FitInSteps, FitReport, FitRun, Loss, TrainHook};
use compress_nn::{CrossEntropy, EarlyStopping, Init, Mlp, Settings, Trainer};
use ndarray::Array2;

use crate::support::{Held, bits, mask, values};

const ROWS: usize = 22;

fn network(seed: u64) -> Mlp {
    let widths = [6, 12, 3];
    Mlp::new(&widths, Activation::Relu, Init::HeUniform, seed, "s").unwrap()
}

fn data() -> ArraySamples {
    let value = |(i, j)| ((i * 7 + j * 3) % 11) as f32 / 5.0 - 1.0;
    let labels = (0..ROWS as u32).map(|i| i % 3).collect();
    ArraySamples::new(Array2::from_shape_fn((ROWS, 6), value), labels).unwrap()
}

/// Five steps an epoch, of which the last takes two samples.
fn settings() -> Settings {
    Settings {
        epochs: 3,
        batch_size: 5,
        dropout_hidden: 0.25,
        first_epoch: 7,
        ..Settings::default()
    }
}

fn held() -> Held {
    Held(mask(&network(1), |_, position| position % 3 == 0))
}

/// Some steps of a run, in its own order.
fn go_on(run: &mut dyn FitRun, steps: usize) {
    for _ in 0..steps {
        let indices = run.next_batch().unwrap().indices.to_vec();
        run.step(&indices, &CrossEntropy).unwrap();
    }
}

#[test]
fn runs_side_by_side_end_in_the_bits_of_whole_ones() {
    let data = data();
    let fit = |seed| -> (FitReport, Vec<u32>) {
        let mut held = held();
        let trainer = Trainer::new(network(seed), settings()).unwrap();
        let mut trainer = trainer.validation(&data, 2);
        let report = trainer.fit(&data, &CrossEntropy, &mut [&mut held]);
        (report.unwrap(), bits(&trainer.into_network()))
    };
    let mut trainers = [1, 2].map(|seed| {
        let trainer = Trainer::new(network(seed), settings()).unwrap();
        trainer.validation(&data, 2)
    });
    let mut held = [held(), held()];
    let [a, b] = &mut trainers;
    let [held_a, held_b] = &mut held;
    let (mut hooks_a, mut hooks_b): ([&mut dyn TrainHook; 1], [&mut dyn TrainHook; 1]) =
        ([held_a], [held_b]);
    let mut a = a.begin(&data, &[], &mut hooks_a).unwrap();
    let mut b = b.begin(&data, &[], &mut hooks_b).unwrap();
    assert_eq!((a.done(), a.total_steps()), (0, 15));
    for step in 0..15 {
        let next = a.next_batch().unwrap();
        assert_eq!(next.epoch, 7 + step / 5);
        assert_eq!(next.indices.len(), if step % 5 == 4 { 2 } else { 5 });
        go_on(&mut *a, 1);
        // To be asked changes nothing.
        let asked = a.predict(data.inputs()).unwrap();
        assert_eq!(asked, a.predict(data.inputs()).unwrap());
        go_on(&mut *b, 1);
    }
    assert!(a.next_batch().is_none());
    assert_eq!(a.done(), 15);
    let said = a.predict(data.inputs()).unwrap();
    let reports = [a.finish().unwrap(), b.finish().unwrap()];
    assert_eq!(said, trainers[0].network().forward(data.inputs()).unwrap());
    for ((seed, trainer), report) in (1..).zip(trainers).zip(reports) {
        assert_eq!(fit(seed), (report, bits(&trainer.into_network())));
    }
}

#[test]
fn a_step_takes_the_samples_that_it_is_given() {
    let data = data();
    let after = |indices: Option<&[usize]>| {
        let mut trainer = Trainer::new(network(1), settings()).unwrap();
        let mut run = trainer.begin(&data, &[], &mut []).unwrap();
        match indices {
            Some(indices) => drop(run.step(indices, &CrossEntropy).unwrap()),
            None => go_on(&mut *run, 1),
        }
        drop(run);
        values(&trainer.into_network())
    };
    let own = {
        let mut trainer = Trainer::new(network(1), settings()).unwrap();
        let run = trainer.begin(&data, &[], &mut []).unwrap();
        run.next_batch().unwrap().indices.to_vec()
    };
    assert_eq!(after(Some(&own)), after(None));
    assert_ne!(after(Some(&[0, 1, 2, 3, 4])), after(None));
}

#[test]
fn steps_that_are_none_of_the_run_are_refused() {
    let data = data();
    let mut trainer = Trainer::new(network(1), settings()).unwrap();
    let mut run = trainer.begin(&data, &[], &mut []).unwrap();
    for wrong in [&[][..], &[0], &[0, 1, 2, 3, 4, 5], &[0, 1, 2, 3, ROWS]] {
        assert!(run.step(wrong, &CrossEntropy).is_err(), "{wrong:?}");
    }
    go_on(&mut *run, 15);
    for late in [&[][..], &[0, 1, 2, 3, 4]] {
        let error = run.step(late, &CrossEntropy).unwrap_err().to_string();
        assert!(error.contains("a training step is 16"), "{error}");
    }
    run.finish().unwrap();
    assert!(trainer.begin(&data, &["nothing"], &mut []).is_err());
}

#[test]
fn validation_ends_a_run_in_steps() {
    let data = data();
    let stopping = EarlyStopping {
        patience: 1,
        min_improvement: 1e6,
    };
    let settings = Settings {
        early_stopping: Some(stopping),
        ..settings()
    };
    let trainer = Trainer::new(network(1), settings).unwrap();
    let mut trainer = trainer.validation(&data, 1);
    let mut run = trainer.begin(&data, &[], &mut []).unwrap();
    go_on(&mut *run, 10);
    assert!(run.next_batch().is_none());
    let error = run.step(&[], &CrossEntropy).unwrap_err().to_string();
    assert!(error.contains("which is over"), "{error}");
    assert!(run.finish().unwrap().stopped_early);
}

#[test]
fn a_run_in_steps_goes_on_from_its_checkpoint() {
    let (data, folder) = (data(), tempfile::tempdir().unwrap());
    let path = folder.path().join("run");
    let trainer = || Trainer::new(network(1), settings()).unwrap();
    let mut whole = trainer();
    let report = whole.fit(&data, &CrossEntropy, &mut []).unwrap();
    let mut broken = trainer().checkpoint(&path, 1);
    let mut run = broken.begin(&data, &[], &mut []).unwrap();
    go_on(&mut *run, 12);
    drop(run);
    let mut resumed = trainer().resume(&path);
    let mut run = resumed.begin(&data, &[], &mut []).unwrap();
    assert_eq!((run.done(), run.next_batch().unwrap().epoch), (10, 9));
    go_on(&mut *run, 5);
    assert_eq!(run.finish().unwrap(), report);
    assert_eq!(bits(&resumed.into_network()), bits(&whole.into_network()));
}

#[test]
fn what_a_loss_reads_is_named_at_the_beginning() {
    let data = data();
    let mut trainer = Trainer::new(network(1), settings()).unwrap();
    let none = CrossEntropy.reads_values();
    assert!(trainer.begin(&data, &none, &mut []).is_ok());
    assert!(trainer.begin(&data, &["layers.0"], &mut []).is_ok());
    assert!(
        trainer
            .begin(&data, &["layers.0", "layers.0"], &mut [])
            .is_err()
    );
    let narrow = ArraySamples::new(Array2::zeros((1, 5)), vec![]).unwrap();
    assert!(trainer.begin(&narrow, &none, &mut []).is_err());
}
