//! Values and gradients of the losses, against their definitions in f64.

use compress_core::train::{Batch, Loss};
use compress_core::{Result, rng};
use compress_distill::*;
use compress_testing::Chain;
use ndarray::{Array2, ArrayView1, array, s};
use proptest::prelude::*;

const TEMPERATURES: [f32; 5] = [0.5, 1.0, 2.5, 4.0, 20.0];

pub(crate) fn logits(rows: usize, classes: usize, spread: f32, seed: u64) -> Array2<f32> {
    let mut stream = rng::stream(seed, "tests.logits");
    Array2::from_shape_simple_fn((rows, classes), || {
        spread * (2.0 * rng::uniform(&mut stream) - 1.0)
    })
}

fn evaluate(
    loss: &dyn Loss,
    logits: &Array2<f32>,
    labels: &[u32],
    indices: &[usize],
) -> Result<(f32, Array2<f32>)> {
    let inputs = Array2::zeros((logits.nrows(), 1));
    let batch = Batch {
        inputs: inputs.view(),
        labels,
        indices,
        epoch: 0,
    };
    // Full of something, to see that all of it is written.
    let mut gradient = Array2::from_elem(logits.raw_dim(), f32::NAN);
    let value = loss.evaluate(logits.view(), &batch, gradient.view_mut())?;
    Ok((value, gradient))
}

fn log_softmax(row: ArrayView1<'_, f64>, t: f64) -> Vec<f64> {
    let sum: f64 = row.iter().map(|x| (x / t).exp()).sum();
    row.iter().map(|x| x / t - sum.ln()).collect()
}

fn hard(student: &Array2<f64>, labels: &[u32]) -> f64 {
    let rows = student.rows().into_iter().zip(labels);
    rows.map(|(row, &label)| -log_softmax(row, 1.0)[label as usize])
        .sum::<f64>()
        / labels.len() as f64
}

fn soft(student: &Array2<f64>, teacher: &Array2<f64>, t: f64) -> f64 {
    let rows = student.rows().into_iter().zip(teacher.rows());
    let row = |(q, p): (ArrayView1<'_, f64>, ArrayView1<'_, f64>)| -> f64 {
        let (q, p) = (log_softmax(q, t), log_softmax(p, t));
        p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
    };
    t * t * rows.map(row).sum::<f64>() / student.nrows() as f64
}

/// Compares value and gradient of `loss` with those of `reference`, differentiated numerically.
fn check(
    loss: &dyn Loss,
    student: &Array2<f32>,
    labels: &[u32],
    indices: &[usize],
    reference: impl Fn(&Array2<f64>) -> f64,
) {
    let (value, gradient) = evaluate(loss, student, labels, indices).unwrap();
    let student = student.mapv(f64::from);
    let expected = reference(&student);
    assert!(
        (f64::from(value) - expected).abs() < 2e-5 * expected.abs().max(1.0),
        "{value} {expected}"
    );
    for ((i, j), &g) in gradient.indexed_iter() {
        let at = |h: f64| {
            let mut moved = student.clone();
            moved[(i, j)] += h;
            reference(&moved)
        };
        let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
        assert!(
            (f64::from(g) - slope).abs() < 1e-5 * slope.abs().max(1.0),
            "({i}, {j}): {g} {slope}"
        );
    }
}

#[test]
fn hard_labels_are_cross_entropy() {
    let student = logits(4, 5, 3.0, 1);
    let labels = [0, 4, 2, 2];
    check(&HardLabels, &student, &labels, &[0, 1, 2, 3], |z| {
        hard(z, &labels)
    });
}

#[test]
fn soft_targets_are_hintons_at_every_temperature() {
    let (student, teacher) = (logits(3, 5, 3.0, 1), logits(7, 5, 5.0, 2));
    let indices = [6, 0, 3];
    let rows = teacher.select(ndarray::Axis(0), &indices).mapv(f64::from);
    for t in TEMPERATURES {
        let loss = SoftTargets::new(Teacher::Cached(teacher.clone()), t).unwrap();
        assert_eq!(loss.temperature(), t);
        check(&loss, &student, &[], &indices, |z| {
            soft(z, &rows, f64::from(t))
        });
    }
}

#[test]
fn joint_is_the_weighted_sum() {
    let (student, teacher) = (logits(3, 5, 3.0, 1), logits(3, 5, 5.0, 2));
    let labels = [1, 0, 4];
    for t in TEMPERATURES {
        for w in [0.0, 0.25, 0.7, 1.0] {
            let loss = Joint::new(Teacher::Cached(teacher.clone()), t, w).unwrap();
            let w = f64::from(w);
            let wide = teacher.mapv(f64::from);
            check(&loss, &student, &labels, &[0, 1, 2], |z| {
                w * soft(z, &wide, f64::from(t)) + (1.0 - w) * hard(z, &labels)
            });
        }
    }
}

#[test]
fn joint_needs_labels_only_where_they_count() {
    let teacher = Teacher::Cached(logits(1, 3, 2.0, 1));
    let student = logits(1, 3, 2.0, 2);
    assert!(
        evaluate(
            &Joint::new(teacher.clone(), 2.0, 1.0).unwrap(),
            &student,
            &[],
            &[0]
        )
        .is_ok()
    );
    let error = evaluate(
        &Joint::new(teacher.clone(), 2.0, 0.9).unwrap(),
        &student,
        &[],
        &[0],
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("hard labels are needed"),
        "{error}"
    );
    // Sample 5 is unknown to the teacher, who does not count.
    assert!(
        evaluate(
            &Joint::new(teacher, 2.0, 0.0).unwrap(),
            &student,
            &[1],
            &[5]
        )
        .is_ok()
    );
}

proptest! {
    #[test]
    fn a_divergence_is_never_negative_and_zero_at_equality(
        rows in 1_usize..6, classes in 1_usize..12, spread in 0.0_f32..50.0, seed in any::<u64>(), t in 0.05_f32..50.0,
    ) {
        let teacher = logits(rows, classes, spread, seed);
        let indices: Vec<usize> = (0..rows).collect();
        let loss = SoftTargets::new(Teacher::Cached(teacher.clone()), t).unwrap();
        let (value, gradient) = evaluate(&loss, &teacher, &[], &indices).unwrap();
        prop_assert_eq!(value, 0.0);
        prop_assert!(gradient.iter().all(|&g| g == 0.0));
        // Nearly equal, where rounding is largest against the value, and far apart.
        for other in [teacher.mapv(|x| x + 1e-6), logits(rows, classes, spread, seed ^ 1)] {
            let (value, gradient) = evaluate(&loss, &other, &[], &indices).unwrap();
            prop_assert!(value >= 0.0 && value.is_finite());
            // Softmax does not see a shift: a row's gradients cancel.
            for row in gradient.rows() {
                prop_assert!(row.sum().abs() < 1e-4 * t);
            }
        }
    }
}

#[test]
fn the_teacher_on_the_fly_is_the_cached_one() {
    let network = Chain::random(&[4, 9, 3], 1);
    let data = compress_testing::blobs(10, 4, 3, 2);
    let cached = Teacher::Cached(teacher_logits(&network, &data).unwrap());
    let cached = SoftTargets::new(cached, 3.0).unwrap();
    let asked = SoftTargets::new(Teacher::OnTheFly(&network), 3.0).unwrap();
    let student = logits(4, 3, 2.0, 3);
    let batch = Batch {
        inputs: data.inputs().slice_move(s![4..8, ..]),
        labels: &[],
        indices: &[4, 5, 6, 7],
        epoch: 0,
    };
    let (mut a, mut b) = (student.clone(), student.clone());
    let values = [
        cached
            .evaluate(student.view(), &batch, a.view_mut())
            .unwrap(),
        asked
            .evaluate(student.view(), &batch, b.view_mut())
            .unwrap(),
    ];
    assert_eq!(values[0], values[1]);
    assert_eq!(a, b);
}

#[test]
fn extreme_logits_give_finite_losses_or_an_error() {
    let teacher = array![[1e30, -1e30, 0.0]];
    let loss = SoftTargets::new(Teacher::Cached(teacher.clone()), 1.0).unwrap();
    let (value, gradient) = evaluate(&loss, &teacher, &[], &[0]).unwrap();
    assert_eq!((value, gradient), (0.0, array![[0.0, 0.0, 0.0]]));
    // So far apart that the logarithm of what the teacher excludes is −∞.
    let teacher = Teacher::Cached(array![[2e38, -2e38]]);
    let wide = SoftTargets::new(teacher.clone(), 1.0).unwrap();
    let (value, gradient) = evaluate(&wide, &array![[0.0, 0.0]], &[], &[0]).unwrap();
    assert!((value - std::f32::consts::LN_2).abs() < 1e-6);
    assert_eq!(gradient, array![[-0.5, 0.5]]);
    assert!(SoftTargets::new(teacher, 0.5).is_err());
    for bad in [f32::NAN, f32::INFINITY] {
        let student = array![[bad, 0.0, 0.0]];
        assert!(evaluate(&loss, &student, &[], &[0]).is_err());
        assert!(evaluate(&HardLabels, &student, &[1], &[0]).is_err());
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let two = logits(2, 3, 2.0, 1);
    let message = |result: Result<(f32, Array2<f32>)>| result.unwrap_err().to_string();
    assert!(message(evaluate(&HardLabels, &two, &[0], &[0, 1])).contains("of 2 samples 1 have"));
    let error = message(evaluate(&HardLabels, &two, &[0, 3], &[7, 8]));
    assert!(error.contains("label 3 of sample 8"), "{error}");
    assert!(message(evaluate(&HardLabels, &Array2::zeros((0, 3)), &[], &[])).contains("empty"));

    let loss = SoftTargets::new(Teacher::Cached(logits(2, 4, 1.0, 1)), 2.0).unwrap();
    let error = message(evaluate(&loss, &two, &[], &[0, 1]));
    assert!(
        error.contains("teacher has 4 outputs, but the student has 3"),
        "{error}"
    );
    let loss = SoftTargets::new(Teacher::Cached(two.clone()), 2.0).unwrap();
    assert!(message(evaluate(&loss, &two, &[], &[0, 2])).contains("sample 2, only for 2"));
    assert!(evaluate(&loss, &two, &[], &[0]).is_err());

    let inputs = Array2::zeros((2, 1));
    let batch = Batch {
        inputs: inputs.view(),
        labels: &[0, 1],
        indices: &[0, 1],
        epoch: 0,
    };
    let mut wrong = Array2::zeros((2, 2));
    assert!(
        HardLabels
            .evaluate(two.view(), &batch, wrong.view_mut())
            .is_err()
    );
    let mut wide = Array2::zeros((3, 2));
    assert!(
        HardLabels
            .evaluate(two.view(), &batch, wide.view_mut().reversed_axes())
            .is_err()
    );
}

#[test]
fn settings_out_of_range_are_refused() {
    let teacher = || Teacher::Cached(logits(2, 3, 2.0, 1));
    for t in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(
            matches!(
                SoftTargets::new(teacher(), t),
                Err(Error::Temperature { .. })
            ),
            "{t}"
        );
        assert!(
            matches!(
                Joint::new(teacher(), t, 0.5),
                Err(Error::Temperature { .. })
            ),
            "{t}"
        );
    }
    for w in [-0.1, 1.1, f32::NAN] {
        assert!(
            matches!(Joint::new(teacher(), 1.0, w), Err(Error::SoftWeight { .. })),
            "{w}"
        );
    }
    let bad = Teacher::Cached(array![[0.0, 1.0], [2.0, f32::NAN]]);
    let error = SoftTargets::new(bad, 1.0).err().unwrap().to_string();
    assert!(error.contains("class 1 for sample 1"), "{error}");
}

#[test]
fn every_loss_is_registered_under_its_name() {
    let (student, teacher) = (logits(2, 3, 2.0, 1), logits(2, 3, 2.0, 2));
    let settings = LossSettings {
        teacher: Teacher::Cached(teacher.clone()),
        temperature: Some(3.0.into()),
        soft_weight: Some(0.4),
        alpha: Some(0.5),
        beta: Some(0.3),
        gamma: Some(2.0),
        smoothing: Some(0.2),
    };
    let value = |loss: &dyn Loss| evaluate(loss, &student, &[0, 2], &[0, 1]).unwrap().0;
    let made = |name: &str| value(loss(name, settings.clone()).unwrap().as_ref());
    let cached = || Teacher::Cached(teacher.clone());
    assert_eq!(made("hard_labels"), value(&HardLabels));
    assert_eq!(
        made("soft_targets"),
        value(&SoftTargets::new(cached(), 3.0).unwrap())
    );
    assert_eq!(
        made("joint"),
        value(&Joint::new(cached(), 3.0, 0.4).unwrap())
    );
    let between = |loss: &dyn LogitLoss| {
        let batch = LogitBatch {
            labels: &[0, 2],
            ..LogitBatch::new(student.view(), teacher.view())
        };
        let mut gradient = Array2::zeros((2, 3));
        loss.evaluate(&batch, gradient.view_mut()).unwrap()
    };
    let temperature = || Temperature::from(3.0);
    assert_eq!(
        made("label_smoothing"),
        value(&LabelSmoothing::new(0.2).unwrap())
    );
    assert_eq!(made("logit_mse"), between(&LogitMse));
    let reverse = ReverseKl {
        temperature: temperature(),
    };
    assert_eq!(made("reverse_kl"), between(&reverse));
    let jensen_shannon = JensenShannon {
        beta: 0.3,
        temperature: temperature(),
    };
    assert_eq!(made("jensen_shannon"), between(&jensen_shannon));
    let dkd = Dkd {
        alpha: 0.5,
        beta: 0.3,
        temperature: temperature(),
    };
    assert_eq!(made("dkd"), between(&dkd));
    let dist = Dist {
        beta: 0.3,
        gamma: 2.0,
        temperature: temperature(),
    };
    assert_eq!(made("dist"), between(&dist));
    let kl = ForwardKl {
        temperature: temperature(),
    };
    assert_eq!(made("soft_targets"), between(&kl));
    assert_eq!(
        made("standardized_logits"),
        between(&StandardizedLogits { loss: kl })
    );
    assert_eq!(LOSSES.len(), 10);
    // Each has its own defaults.
    let without = ["hard_labels", "logit_mse"];
    for entry in LOSSES.iter().filter(|e| !without.contains(&e.name)) {
        let value = value((entry.make)(LossSettings::new(cached())).unwrap().as_ref());
        assert_ne!(value, made(entry.name), "{}", entry.name);
    }
    let error = loss("x", settings.clone()).err().unwrap();
    assert!(matches!(
        error,
        Error::Core(compress_core::Error::UnknownName { what: "loss", .. })
    ));
    let error = error.to_string();
    assert!(
        error.contains("hard_labels, soft_targets, joint"),
        "{error}"
    );
}

#[test]
fn an_average_is_of_all_and_of_like_shapes() {
    let (a, b, c) = (
        logits(4, 3, 9.0, 1),
        logits(4, 3, 9.0, 2),
        logits(4, 3, 9.0, 3),
    );
    assert_eq!(average_logits(std::slice::from_ref(&a)).unwrap(), a);
    let mean = average_logits(&[a.clone(), b.clone(), c.clone()]).unwrap();
    for (i, m) in mean.indexed_iter() {
        let expected = (f64::from(a[i]) + f64::from(b[i]) + f64::from(c[i])) / 3.0;
        assert_eq!(*m, expected as f32);
    }
    assert!(average_logits(&[]).is_err());
    assert!(average_logits(&[a.clone(), logits(3, 3, 1.0, 1)]).is_err());
    let mut bad = b;
    bad[(2, 1)] = f32::INFINITY;
    assert!(matches!(
        average_logits(&[a, bad]),
        Err(Error::TeacherLogit {
            sample: 2,
            class: 1,
            ..
        })
    ));
}
