//! What students are taught on: logits of several epochs, samples without labels, mixed samples,
//! classes that a student never sees; and generations of students.

use compress_core::samples::{Mixup, Subset, Unlabeled};
use compress_core::train::{Batch, Loss, Samples, predict};
use compress_distill::*;
use compress_testing::{Chain, Sgd, blobs};
use ndarray::{Array2, array};

fn student(seed: u64) -> Sgd {
    Sgd::new(Chain::random(&[4, 8, 3], seed))
}

fn soft_alone() -> DistillationOptions {
    DistillationOptions {
        soft_weight: 1.0,
        ..DistillationOptions::default()
    }
}

/// Values and report of a student that `teacher` taught.
fn taught(
    teacher: Teacher<'_>,
    data: &dyn Samples,
    options: &DistillationOptions,
) -> Result<(Vec<Vec<f32>>, DistillationReport)> {
    let mut student = student(4);
    let report = knowledge_distillation_from(teacher, &mut student, data, options, &mut [])?;
    Ok((student.network.values(), report))
}

#[test]
fn logits_cached_by_epoch_teach_what_the_teacher_says_on_the_fly() {
    let teacher = Chain::random(&[4, 9, 3], 1);
    let data = blobs(50, 4, 3, 2);
    let mixed = Mixup::new(&data, 1.0, 5, "mixup").unwrap();
    let options = DistillationOptions::default();
    let asked = taught(Teacher::OnTheFly(&teacher), &mixed, &options).unwrap();
    let logits = EpochLogits::of_teacher(&teacher, &mixed, 0..10).unwrap();
    assert_eq!((logits.outputs(), logits.samples()), (3, 50));
    assert_eq!(logits.epochs(), 0..10);
    let cached = taught(Teacher::CachedByEpoch(logits), &mixed, &options).unwrap();
    assert_eq!(asked, cached);

    let other = Chain::random(&[4, 7, 3], 2);
    let ensemble = Ensemble::new(vec![&teacher, &other]).unwrap();
    let ensemble = ensemble.weighted(vec![1.0, 2.0]).unwrap();
    let logits = EpochLogits::of_ensemble(&ensemble, &mixed, 0..10).unwrap();
    let cached = taught(Teacher::CachedByEpoch(logits), &mixed, &options).unwrap();
    let asked = taught(Teacher::Ensemble(ensemble), &mixed, &options).unwrap();
    assert_eq!(asked, cached);

    // The first epoch alone is not enough, and the error says so.
    let logits = EpochLogits::of_teacher(&teacher, &mixed, 0..1).unwrap();
    let error = taught(Teacher::CachedByEpoch(logits), &mixed, &options).unwrap_err();
    let expected = "no cached logits for epoch 1, only for the epochs from 0 to 0";
    assert!(error.to_string().contains(expected), "{error}");
    // Logits computed once are refused as before.
    let once = Teacher::Cached(Array2::zeros((50, 3)));
    assert!(matches!(
        taught(once, &mixed, &options),
        Err(Error::CachedButVarying)
    ));
}

#[test]
fn cached_targets_of_any_loss_are_refused_by_the_trainer_where_samples_vary() {
    use compress_core::train::Fit;
    use compress_distill::features::{FeatureDistillation, FeatureTeacher, Similarity};
    let data = blobs(50, 4, 3, 2);
    let mixed = Mixup::new(&data, 1.0, 5, "mixup").unwrap();
    let logits = || Teacher::Cached(Array2::zeros((50, 3)));
    let features = FeatureTeacher::Cached(Array2::zeros((50, 5)));
    let losses: [Box<dyn Loss>; 5] = [
        Box::new(SoftTargets::new(logits(), 2.0).unwrap()),
        Box::new(Joint::new(logits(), 2.0, 0.5).unwrap()),
        Box::new(TeacherLoss::new(logits(), LogitMse).unwrap()),
        Box::new(FeatureDistillation::new(
            Box::new(Similarity),
            "layers.0",
            features,
        )),
        Box::new(
            WeightedSum::new(vec![
                (1.0, Box::new(HardLabels)),
                (1.0, Box::new(TeacherLoss::new(logits(), LogitMse).unwrap())),
            ])
            .unwrap(),
        ),
    ];
    for loss in losses {
        let error = student(1).fit(&mixed, &*loss, &mut []).unwrap_err();
        assert!(error.to_string().contains("cached"), "{error}");
        student(1).fit(&data, &*loss, &mut []).unwrap();
    }
    student(1).fit(&mixed, &HardLabels, &mut []).unwrap();
}

#[test]
fn cached_logits_are_found_by_epoch_and_index() {
    let epochs = [0, 1].map(|e| Array2::from_shape_fn((4, 2), |(i, j)| (10 * e + i * j) as f32));
    let logits = EpochLogits::new(6, epochs.to_vec()).unwrap();
    let targets = SoftTargets::new(Teacher::CachedByEpoch(logits), 1.0).unwrap();
    assert!(!targets.reads_inputs());
    let value = |epoch: u64, indices: &[usize], student: Array2<f32>| {
        let nothing = Array2::zeros((student.nrows(), 0));
        let batch = Batch {
            inputs: nothing.view(),
            labels: &[],
            indices,
            epoch,
        };
        let mut gradient = student.clone();
        targets.evaluate(student.view(), &batch, gradient.view_mut())
    };
    // No divergence where the student says the same.
    assert_eq!(
        value(7, &[3, 1], array![[10.0, 13.0], [10.0, 11.0]]).unwrap(),
        0.0
    );
    assert_eq!(value(6, &[2], array![[0.0, 2.0]]).unwrap(), 0.0);
    assert!(value(6, &[3], array![[0.0, 2.0]]).unwrap() > 0.0);
    for epoch in [0, 5, 8, u64::MAX] {
        let error = value(epoch, &[0], array![[0.0, 0.0]])
            .unwrap_err()
            .to_string();
        let expected = format!("for epoch {epoch}, only for the epochs from 6 to 7");
        assert!(error.contains(&expected), "{error}");
    }
    let error = value(6, &[4], array![[0.0, 0.0]]).unwrap_err().to_string();
    assert!(error.contains("sample 4, only for 4"), "{error}");
    assert!(value(6, &[0, 1], array![[0.0, 0.0]]).is_err());
    assert!(value(6, &[0], array![[0.0, 0.0, 0.0]]).is_err());
}

#[test]
fn epochs_that_cannot_be_cached_are_refused() {
    assert!(EpochLogits::new(0, vec![]).is_err());
    assert!(EpochLogits::new(0, vec![array![[1.0]], array![[1.0, 2.0]]]).is_err());
    let broken = EpochLogits::new(0, vec![array![[f32::NAN]]]);
    assert!(matches!(broken, Err(Error::TeacherLogit { .. })));
    let (teacher, data) = (Chain::random(&[4, 3], 1), blobs(5, 4, 3, 2));
    assert!(EpochLogits::of_teacher(&teacher, &data, 3..3).is_err());
    let far = EpochLogits::of_teacher(&Chain::random(&[5, 3], 1), &data, 0..1);
    assert!(matches!(far, Err(Error::Features { .. })));
    let few = EpochLogits::new(0, vec![Array2::zeros((4, 3))]).unwrap();
    assert!(taught(Teacher::CachedByEpoch(few), &data, &soft_alone()).is_err());
    let last = EpochLogits::new(u64::MAX, vec![array![[1.0]]]).unwrap();
    assert_eq!(last.epochs().start, u64::MAX);
}

#[test]
fn weights_of_teachers_are_those_of_the_mean() {
    let chains = [1, 2, 3].map(|seed| Chain::random(&[4, 9, 3], seed));
    let networks: Vec<&dyn Forward> = chains.iter().map(|c| c as &dyn Forward).collect();
    let data = blobs(20, 4, 3, 2);
    let each = chains.each_ref().map(|c| predict(c, &data, 0).unwrap());
    let mean = |weights: &[f64]| {
        let ensemble = Ensemble::new(networks.clone()).unwrap();
        let ensemble = ensemble.weighted(weights.to_vec()).unwrap();
        let found = ensemble.teacher_logits(&data).unwrap();
        assert_eq!(found, weighted_average_logits(&each, weights).unwrap());
        found
    };
    let weights = [0.5, 2.0, 0.25];
    for ((i, j), found) in mean(&weights).indexed_iter() {
        let of = |k: usize| weights[k] * f64::from(each[k][(i, j)]);
        let expected = (of(0) + of(1) + of(2)) / 2.75;
        assert!((f64::from(*found) - expected).abs() < 1e-6);
    }
    // Only ratios count, however far they lie; equal ones are the mean, bit for bit.
    assert_eq!(mean(&[2.0, 8.0, 1.0]), mean(&weights));
    assert_eq!(mean(&[1e308, 1e308, 1e308]), average_logits(&each).unwrap());
    assert_eq!(mean(&[5e-324, 0.0, 0.0]), each[0]);
    let plain = average_logits(&each).unwrap();
    for ((i, j), found) in plain.indexed_iter() {
        let sum: f64 = each.iter().map(|one| f64::from(one[(i, j)])).sum();
        assert_eq!(*found, (sum / 3.0) as f32);
    }
    let ensemble = || Ensemble::new(networks.clone()).unwrap();
    for wrong in [
        vec![],
        vec![1.0, 1.0],
        vec![0.0; 3],
        vec![1.0, -1.0, 1.0],
        vec![1.0, f64::NAN, 1.0],
        vec![1.0, f64::INFINITY, 1.0],
    ] {
        assert!(ensemble().weighted(wrong.clone()).is_err(), "{wrong:?}");
        assert!(weighted_average_logits(&each, &wrong).is_err());
    }
    let far = [array![[f32::MAX]], array![[f32::MAX]]];
    let mean = weighted_average_logits(&far, &[1.0, 0.3]).unwrap();
    assert_eq!(mean, far[0]);
}

#[test]
fn without_labels_the_teacher_alone_teaches() {
    let teacher = Chain::random(&[4, 9, 3], 1);
    let data = blobs(50, 4, 3, 2);
    let unlabeled = Unlabeled(&data);
    let with = |samples: &dyn Samples, options: DistillationOptions| {
        taught(Teacher::OnTheFly(&teacher), samples, &options)
    };
    let known = with(&data, soft_alone()).unwrap();
    assert_eq!(with(&unlabeled, soft_alone()).unwrap(), known);
    let refused = with(&unlabeled, DistillationOptions::default());
    let expected = matches!(
        refused,
        Err(Error::LabelsMissing {
            samples: 50,
            labels: 0
        })
    );
    assert!(expected, "{refused:?}");
    // In a fit of one's own too.
    let error = student(4)
        .fit(&unlabeled, &HardLabels, &mut [])
        .unwrap_err();
    assert!(
        error.to_string().contains("hard labels are needed"),
        "{error}"
    );
}

/// What it has never seen, the teacher tells it.
#[test]
fn a_student_learns_a_class_that_its_transfer_set_lacks() {
    let data = blobs(300, 4, 3, 2);
    let mut teacher = Sgd::new(Chain::random(&[4, 16, 3], 1));
    teacher.epochs = 40;
    teacher.fit(&data, &HardLabels, &mut []).unwrap();
    let seen = Subset::without_classes(&data, &[2]).unwrap();
    let right = |network: &Chain| {
        let unseen = Subset::of_classes(&data, &[2]).unwrap();
        let logits = predict(network, &unseen, 0).unwrap();
        let rows = logits.rows().into_iter();
        let right = rows.filter(|z| z[2] > z[0] && z[2] > z[1]).count();
        right as f64 / unseen.len() as f64
    };
    assert!(right(&teacher.network) > 0.9);
    let learn = |options: &DistillationOptions| {
        let mut student = student(4);
        student.epochs = 40;
        knowledge_distillation(&teacher.network, &mut student, &seen, options).unwrap();
        right(&student.network)
    };
    let labels = DistillationOptions {
        soft_weight: 0.0,
        ..soft_alone()
    };
    assert_eq!(learn(&labels), 0.0);
    assert!(learn(&soft_alone()) > 0.5, "{}", learn(&soft_alone()));
}

#[test]
fn generations_are_distillations_in_a_row() {
    let teacher = Chain::random(&[4, 9, 3], 1);
    let data = blobs(50, 4, 3, 2);
    let mixed = Mixup::new(&data, 0.4, 5, "mixup").unwrap();
    for (taught_by, targets) in [
        (TaughtBy::Previous, Targets::Cached),
        (TaughtBy::All, Targets::Cached),
        (TaughtBy::All, Targets::OnTheFly),
    ] {
        let samples: &dyn Samples = match targets {
            Targets::Cached => &data,
            Targets::OnTheFly => &mixed,
        };
        let options = BornAgainOptions {
            taught_by,
            distillation: DistillationOptions {
                targets,
                ..BornAgainOptions::default().distillation
            },
            ..BornAgainOptions::default()
        };
        let mut asked = Vec::new();
        let born = born_again(&teacher, samples, &options, |generation| {
            asked.push(generation);
            Ok(student(10 + generation as u64))
        });
        let born = born.unwrap();
        assert_eq!((asked, born.reports.len()), (vec![0, 1, 2], 3));
        let mut before: Vec<Chain> = vec![teacher.clone()];
        for (generation, found) in born.students.iter().enumerate() {
            let first = match taught_by {
                TaughtBy::Previous => generation,
                TaughtBy::All => 0,
            };
            let teachers = before[first..].iter().map(|c| c as &dyn Forward);
            let ensemble = Ensemble::new(teachers.collect()).unwrap();
            let mut own = student(10 + generation as u64);
            let teacher = Teacher::Ensemble(ensemble);
            let how = &options.distillation;
            let report = knowledge_distillation_from(teacher, &mut own, samples, how, &mut []);
            assert_eq!(report.unwrap(), born.reports[generation]);
            assert_eq!(own.network.values(), found.network.values());
            before.push(own.network);
        }
        let all = born.ensemble().unwrap().teacher_logits(&data).unwrap();
        let each = before[1..].iter().map(|c| predict(c, &data, 0).unwrap());
        assert_eq!(all, average_logits(&each.collect::<Vec<_>>()).unwrap());
    }
}

#[test]
fn generations_that_cannot_be_end_with_the_error() {
    let teacher = Chain::random(&[4, 9, 3], 1);
    let data = blobs(50, 4, 3, 2);
    let options = BornAgainOptions::default();
    let none = BornAgainOptions {
        generations: 0,
        ..options
    };
    let born = born_again(&teacher, &data, &none, |_| Ok(student(1))).unwrap();
    assert!(born.students.is_empty() && born.ensemble().is_err());
    let failed = born_again(&teacher, &data, &options, |generation| match generation {
        0 => Ok(student(1)),
        _ => Err(compress_core::Error::invalid(
            "a student",
            generation,
            "no more",
        )),
    });
    let error = failed.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("a student is 1"), "{error}");
    let narrow = |_| Ok(Sgd::new(Chain::random(&[4, 2], 1)));
    let failed = born_again(&teacher, &data, &options, narrow);
    assert!(matches!(failed, Err(Error::Outputs { .. })));
}
