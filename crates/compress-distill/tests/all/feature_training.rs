//! Students that learn from what a teacher's layers give.

use compress_core::differentiate::Differentiate;
use compress_core::train::{Batch, Fit, Loss, Samples, TrainHook, Value};
use compress_core::{Result, rng};
use compress_distill::features::*;
use compress_distill::{Error, teacher_logits};
use compress_testing::{Chain, Sgd, blobs};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

fn teacher() -> Chain {
    Chain::random(&[6, 20, 8, 3], 1)
}

fn student() -> Sgd {
    let mut student = Sgd::new(Chain::random(&[6, 8, 3], 2));
    student.epochs = 30;
    student
}

/// The loss on all of the data at once.
fn on_all(student: &Sgd, loss: &dyn Loss) -> f32 {
    let data = blobs(96, 6, 3, 3);
    let indices: Vec<usize> = (0..96).collect();
    let batch = Batch {
        inputs: data.inputs(),
        labels: &[],
        indices: &indices,
        epoch: 0,
    };
    student.network.clone().differentiate(loss, &batch).unwrap()
}

/// A loss times a factor, as its weight in a sum of losses.
struct Times(f32, Box<dyn FeatureLoss>);

impl FeatureLoss for Times {
    fn evaluate(
        &self,
        student: ArrayView2<'_, f32>,
        teacher: ArrayView2<'_, f32>,
    ) -> Result<(f32, Array2<f32>)> {
        let (value, gradient) = self.1.evaluate(student, teacher)?;
        Ok((self.0 * value, self.0 * gradient))
    }
}

#[test]
fn each_loss_brings_a_student_closer() {
    let (teacher, data) = (teacher(), blobs(96, 6, 3, 3));
    for entry in FEATURE_LOSSES {
        let weight = match entry.name {
            "similarity" => 300.0,
            "rkd_distance" | "rkd_angle" => 10.0,
            _ => 1.0,
        };
        // The teacher's second layer is as wide as the student's first.
        for (layer, learned) in [("layers.1", false), ("layers.0", true)] {
            if entry.name == "attention_transfer" && learned {
                continue;
            }
            let mut regressor = Regressor::new(8, 20, RegressorOptions::default()).unwrap();
            let settings = FeatureSettings {
                regressor: learned.then(|| regressor.clone()),
                ..FeatureSettings::default()
            };
            let loss = feature_loss(entry.name, settings).unwrap();
            let source = FeatureTeacher::OnTheFly(&teacher, layer);
            let loss = Box::new(Times(weight, loss));
            let loss = FeatureDistillation::new(loss, "layers.0", source);
            let mut student = student();
            let before = on_all(&student, &loss);
            student.fit(&data, &loss, &mut [&mut regressor]).unwrap();
            let after = on_all(&student, &loss);
            assert!(
                after < 0.6 * before,
                "{} {layer}: {before} {after}",
                entry.name
            );
        }
    }
}

#[test]
fn relations_also_hold_between_logits() {
    let (teacher, data) = (teacher(), blobs(96, 6, 3, 3));
    let logits = teacher_logits(&teacher, &data).unwrap();
    for name in ["similarity", "rkd_distance", "rkd_angle"] {
        let loss = || feature_loss(name, FeatureSettings::default()).unwrap();
        let cached = FeatureTeacher::Cached(logits.clone());
        let cached = FeatureDistillation::of_logits(loss(), cached);
        let asked = FeatureTeacher::OnTheFly(&teacher, "layers.2");
        let asked = FeatureDistillation::of_logits(loss(), asked);
        assert!(cached.reads_values().is_empty() && !cached.reads_inputs());
        let mut student = student();
        let before = on_all(&student, &cached);
        assert_eq!(before, on_all(&student, &asked));
        student.fit(&data, &cached, &mut []).unwrap();
        let after = on_all(&student, &cached);
        assert!(after < 0.5 * before, "{name}: {before} {after}");
    }
}

/// Evaluates `loss` on samples 4 to 7, for which the student's layer gives `rows`.
fn evaluate(loss: &dyn Loss, rows: &Array2<f32>) -> Result<(f32, Array2<f32>, Array2<f32>)> {
    let (data, logits) = (blobs(8, 6, 3, 3), Array2::zeros((4, 3)));
    let batch = Batch {
        inputs: data.inputs().slice_move(s![4..8, ..]),
        labels: &[],
        indices: &[4, 5, 6, 7],
        epoch: 0,
    };
    // Full of something, to see that all of it is written.
    let mut gradient = Array2::from_elem((4, 3), f32::NAN);
    let mut own = Array2::from_elem(rows.raw_dim(), f32::NAN);
    let mut values = [Value {
        rows: rows.view(),
        gradient: own.view_mut(),
    }];
    let value = loss.evaluate_with(logits.view(), &mut values, &batch, gradient.view_mut())?;
    Ok((value, gradient, own))
}

#[test]
fn cached_features_are_those_on_the_fly_and_logits_have_no_gradient() {
    let (teacher, data) = (teacher(), blobs(8, 6, 3, 3));
    let mut stream = rng::stream(1, "tests.rows");
    let rows = Array2::from_shape_simple_fn((4, 8), || rng::uniform(&mut stream));
    let features = teacher_features(&teacher, "layers.1", &data).unwrap();
    let new = |source| FeatureDistillation::new(Box::new(Hint::new()), "layers.0", source);
    let cached = new(FeatureTeacher::Cached(features.clone()));
    let asked = new(FeatureTeacher::OnTheFly(&teacher, "layers.1"));
    assert_eq!(cached.reads_values(), ["layers.0"]);
    assert!(!cached.reads_inputs() && asked.reads_inputs());
    let (value, gradient, own) = evaluate(&cached, &rows).unwrap();
    assert_eq!(
        evaluate(&asked, &rows).unwrap(),
        (value, gradient.clone(), own.clone())
    );
    assert_eq!(gradient, Array2::<f32>::zeros((4, 3)));
    let of_batch = features.slice(s![4..8, ..]);
    assert_eq!(
        Hint::new().evaluate(rows.view(), of_batch).unwrap(),
        (value, own)
    );

    let message = |loss: &dyn Loss| evaluate(loss, &rows).unwrap_err().to_string();
    let few = new(FeatureTeacher::Cached(features.slice_move(s![..7, ..])));
    assert!(message(&few).contains("a sample's index is 7"));
    let unseen = new(FeatureTeacher::OnTheFly(&teacher, "layers.9"));
    assert!(message(&unseen).contains("layers.9 of the teacher"));
    assert!(teacher_features(&teacher, "layers.9", &data).is_err());
    // Given no values, as by a loop that shows none.
    let batch = Batch {
        inputs: data.inputs(),
        labels: &[],
        indices: &[0],
        epoch: 0,
    };
    let (logits, mut gradient) = (Array2::zeros((1, 3)), Array2::zeros((1, 3)));
    assert!(
        cached
            .evaluate(logits.view(), &batch, gradient.view_mut())
            .is_err()
    );
}

/// Samples that differ by epoch.
struct Varying;

impl Samples for Varying {
    fn len(&self) -> usize {
        8
    }

    fn features(&self) -> usize {
        6
    }

    fn labels(&self) -> &[u32] {
        &[]
    }

    fn fill(&self, epoch: u64, _: &[usize], mut out: ArrayViewMut2<'_, f32>) -> Result<()> {
        out.fill(epoch as f32);
        Ok(())
    }

    fn differs_by_epoch(&self) -> bool {
        true
    }
}

#[test]
fn what_differs_by_epoch_is_not_cached() {
    let refused = teacher_features(&teacher(), "layers.0", &Varying);
    assert!(matches!(refused, Err(Error::CachedButVarying)));
}

fn regressor(seed: u64) -> Regressor {
    let rate = 0.5;
    Regressor::new(8, 20, RegressorOptions { rate, seed }).unwrap()
}

fn bits(sgd: &Sgd, regressor: &Regressor) -> Vec<u32> {
    let of_map = regressor.map(Array2::eye(8).view()).unwrap();
    let values = sgd.network.values().into_iter().flatten().chain(of_map);
    values.map(f32::to_bits).collect()
}

#[test]
fn a_resumed_hint_ends_in_the_same_bits() {
    let (teacher, data) = (teacher(), blobs(96, 6, 3, 3));
    let hint = |regressor: &Regressor| {
        let hint = Box::new(Hint::through(regressor.clone()));
        FeatureDistillation::new(
            hint,
            "layers.0",
            FeatureTeacher::OnTheFly(&teacher, "layers.0"),
        )
    };
    let (mut whole, mut own) = (student(), regressor(1));
    let loss = hint(&own);
    whole.run(&data, &loss, &mut [&mut own], 0..20, 20).unwrap();

    let (mut parts, mut first) = (student(), regressor(1));
    let start = bits(&parts, &first);
    let loss = hint(&first);
    parts
        .run(&data, &loss, &mut [&mut first], 0..11, 20)
        .unwrap();
    let saved = first.save().unwrap();
    // Evaluations between the steps leave nothing behind.
    on_all(&parts, &loss);
    let mut second = regressor(2);
    second.load(&saved).unwrap();
    let loss = hint(&second);
    on_all(&parts, &loss);
    parts
        .run(&data, &loss, &mut [&mut second], 11..20, 20)
        .unwrap();
    assert_eq!(bits(&parts, &second), bits(&whole, &own));
    assert_eq!(second.save().unwrap(), own.save().unwrap());
    assert_ne!(bits(&parts, &second), start);

    let mut other = Regressor::new(20, 8, RegressorOptions::default()).unwrap();
    let message = other.load(&saved).unwrap_err().to_string();
    assert!(message.contains("the saved regressor"), "{message}");
    for cut in [0, 1, 7, saved.len() - 1] {
        assert!(second.load(&saved[..cut]).is_err());
    }
    let mut damaged = saved.clone();
    for at in 0..saved.len() {
        // Whatever a damaged state says, it is refused or leaves a map of numbers.
        damaged[at] ^= 0xff;
        if second.load(&damaged).is_ok() {
            assert!(
                second
                    .map(Array2::eye(8).view())
                    .unwrap()
                    .iter()
                    .all(|w| w.is_finite())
            );
        }
        damaged[at] = saved[at];
    }
}
