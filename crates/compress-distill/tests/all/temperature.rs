//! Temperatures that change from epoch to epoch, and losses that follow them.

use compress_core::train::{Batch, Loss};
use compress_distill::*;
use compress_testing::{Chain, blobs};
use ndarray::{Array2, s};

use crate::losses::logits;

fn linear() -> Temperature {
    Temperature::Linear {
        from: 8.0,
        to: 2.0,
        epochs: 5..9,
    }
}

fn cosine(from: f32, to: f32, epochs: std::ops::Range<u64>) -> Temperature {
    Temperature::Cosine { from, to, epochs }
}

#[test]
fn they_go_from_the_first_to_the_last_epoch() {
    let at = |temperature: &Temperature, epochs: [u64; 6]| epochs.map(|e| temperature.at(e));
    let epochs = [0, 5, 6, 7, 8, u64::MAX];
    assert_eq!(at(&3.5.into(), epochs), [3.5; 6]);
    assert_eq!(at(&linear(), epochs), [8.0, 8.0, 6.0, 4.0, 2.0, 2.0]);
    let half = cosine(1.0, 5.0, 0..11);
    for epoch in 0..12_u64 {
        let angle = std::f64::consts::PI * epoch.min(10) as f64 / 10.0;
        let expected = 5.0 - 4.0 * 0.5 * (1.0 + angle.cos());
        assert!((f64::from(half.at(epoch)) - expected).abs() < 1e-6);
    }
    assert_eq!([half.at(0), half.at(10)], [1.0, 5.0]);
    // Runs of one epoch and of none.
    for end in [3, 4] {
        assert_eq!([2, 3].map(|e| cosine(6.0, 1.0, 3..end).at(e)), [6.0, 6.0]);
    }
}

#[test]
fn they_are_positive_and_finite() {
    let ends = [0.0, -1.0, f32::NAN, f32::INFINITY];
    for bad in ends {
        let (linear, epochs) = (
            |from, to, epochs| Temperature::Linear { from, to, epochs },
            0..3,
        );
        assert!(Temperature::Constant(bad).validate().is_err());
        assert!(linear(bad, 1.0, epochs.clone()).validate().is_err());
        assert!(cosine(1.0, bad, epochs).validate().is_err());
        let teacher = Teacher::Cached(logits(2, 3, 1.0, 1));
        assert!(SoftTargets::new(teacher, cosine(1.0, bad, 0..3)).is_err());
    }
    assert!(linear().validate().is_ok());
}

/// In each epoch, a loss is that of the epoch's temperature, however its teacher is asked.
#[test]
fn losses_follow_them() {
    let network = Chain::random(&[4, 9, 3], 1);
    let data = blobs(10, 4, 3, 2);
    let cached = Teacher::Cached(teacher_logits(&network, &data).unwrap());
    let ensemble = Ensemble::new(vec![&network]).unwrap();
    let teachers = [
        cached,
        Teacher::OnTheFly(&network),
        Teacher::Ensemble(ensemble),
    ];
    let student = logits(4, 3, 2.0, 3);
    let value = |loss: &dyn Loss, epoch| {
        let batch = Batch {
            inputs: data.inputs().slice_move(s![4..8, ..]),
            labels: &data.labels()[4..8],
            indices: &[4, 5, 6, 7],
            epoch,
        };
        let mut gradient = Array2::zeros((4, 3));
        let value = loss.evaluate(student.view(), &batch, gradient.view_mut());
        (value.unwrap(), gradient)
    };
    for entry in LOSSES {
        for epoch in [0, 6, 8] {
            let constant = Some(linear().at(epoch).into());
            let expected = LossSettings {
                temperature: constant,
                ..LossSettings::new(teachers[0].clone())
            };
            let expected = value(loss(entry.name, expected).unwrap().as_ref(), epoch);
            for teacher in &teachers {
                let temperature = Some(linear());
                let settings = LossSettings {
                    temperature,
                    ..LossSettings::new(teacher.clone())
                };
                let loss = loss(entry.name, settings).unwrap();
                assert_eq!(
                    value(loss.as_ref(), epoch),
                    expected,
                    "{} {epoch}",
                    entry.name
                );
            }
        }
    }
    let asked = TeacherLoss::new(teachers[1].clone(), LogitMse).unwrap();
    let known = TeacherLoss::new(teachers[0].clone(), LogitMse).unwrap();
    assert!(asked.reads_inputs() && !known.reads_inputs());
}

#[test]
fn a_sample_without_cached_logits_is_named() {
    let cached = Teacher::Cached(logits(2, 3, 1.0, 1));
    let inputs = Array2::zeros((2, 1));
    let student = logits(2, 3, 1.0, 2);
    let evaluate = |loss: &dyn Loss, indices: &[usize]| {
        let batch = Batch {
            inputs: inputs.view(),
            labels: &[],
            indices,
            epoch: 0,
        };
        let mut gradient = Array2::zeros((2, 3));
        loss.evaluate(student.view(), &batch, gradient.view_mut())
    };
    let losses: [Box<dyn Loss>; 2] = [
        Box::new(TeacherLoss::new(cached.clone(), LogitMse).unwrap()),
        Box::new(SoftTargets::new(cached, linear()).unwrap()),
    ];
    for loss in losses {
        assert!(evaluate(loss.as_ref(), &[1, 0]).is_ok());
        let error = evaluate(loss.as_ref(), &[0, 2]).unwrap_err().to_string();
        assert!(error.contains("sample 2, only for 2"), "{error}");
        assert!(evaluate(loss.as_ref(), &[0]).is_err());
    }
}
