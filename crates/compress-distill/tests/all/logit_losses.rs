//! Values and gradients of the losses between logits, against the papers' formulas in f64.

use compress_distill::*;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, array};

use crate::losses::logits;

const T: [f32; 4] = [0.5, 1.0, 4.0, 10.0];

/// Evaluates on plain arrays; the gradient is full of something, to see that all of it is written.
fn evaluate(loss: &dyn LogitLoss, batch: &LogitBatch<'_>) -> Result<(f32, Array2<f32>)> {
    let mut gradient = Array2::from_elem(batch.student.raw_dim(), f32::NAN);
    let value = loss.evaluate(batch, gradient.view_mut())?;
    Ok((value, gradient))
}

fn labelled<'a>(
    student: ArrayView2<'a, f32>,
    teacher: ArrayView2<'a, f32>,
    labels: &'a [u32],
) -> LogitBatch<'a> {
    LogitBatch {
        labels,
        ..LogitBatch::new(student, teacher)
    }
}

/// Compares value and gradient with those of `reference`, differentiated numerically.
fn check(
    loss: &dyn LogitLoss,
    batch: &LogitBatch<'_>,
    reference: impl Fn(&Array2<f64>, &Array2<f64>) -> f64,
) {
    let (value, gradient) = evaluate(loss, batch).unwrap();
    let [student, teacher] = [batch.student, batch.teacher].map(|z| z.mapv(f64::from));
    let expected = reference(&student, &teacher);
    let close = |a: f32, b: f64| (f64::from(a) - b).abs() < 2e-5 * b.abs().max(1.0);
    assert!(close(value, expected), "{value} {expected}");
    for ((i, j), &g) in gradient.indexed_iter() {
        let at = |h: f64| {
            let mut moved = student.clone();
            moved[(i, j)] += h;
            reference(&moved, &teacher)
        };
        let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
        assert!(close(g, slope), "({i}, {j}): {g} {slope}");
    }
}

/// Batches of several shapes, a batch of one and two classes among them, each with labels.
fn for_each_batch(f: impl Fn(&LogitBatch<'_>)) {
    for (rows, classes) in [(4, 5), (1, 6), (3, 2), (1, 2)] {
        let student = logits(rows, classes, 3.0, 1);
        let teacher = logits(rows, classes, 5.0, 2);
        let labels: Vec<u32> = (0..rows).map(|row| (row * 3 % classes) as u32).collect();
        let labels = &labels[..];
        f(&labelled(student.view(), teacher.view(), labels));
    }
}

fn softmax(row: ArrayView1<'_, f64>, t: f64) -> Vec<f64> {
    let sum: f64 = row.iter().map(|x| (x / t).exp()).sum();
    row.iter().map(|x| (x / t).exp() / sum).collect()
}

fn kl(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum()
}

/// T² times the mean over rows of `f` of the student's and the teacher's probabilities.
fn mean(
    student: &Array2<f64>,
    teacher: &Array2<f64>,
    t: f32,
    f: impl Fn(usize, &[f64], &[f64]) -> f64,
) -> f64 {
    let t = f64::from(t);
    let rows = student.rows().into_iter().zip(teacher.rows()).enumerate();
    let rows = rows.map(|(row, (q, p))| f(row, &softmax(q, t), &softmax(p, t)));
    t * t * rows.sum::<f64>() / student.nrows() as f64
}

/// TCKD and NCKD of one row.
fn decoupled(q: &[f64], p: &[f64], label: usize) -> [f64; 2] {
    let target = |x: &[f64]| [x[label], 1.0 - x[label]];
    let others = |x: &[f64]| -> Vec<f64> {
        let rest = x.iter().enumerate().filter(|(class, _)| *class != label);
        rest.map(|(_, part)| part / (1.0 - x[label])).collect()
    };
    [kl(&target(p), &target(q)), kl(&others(p), &others(q))]
}

fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let centred = |x: &[f64]| -> Vec<f64> {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        x.iter().map(|x| x - mean).collect()
    };
    let (a, b) = (centred(a), centred(b));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

fn z_scores(logits: &Array2<f64>) -> Array2<f64> {
    let mut scores = logits.clone();
    for mut row in scores.rows_mut() {
        let (mean, deviation) = (row.mean().unwrap(), row.std(0.0));
        row.mapv_inplace(|x| (x - mean) / deviation);
    }
    scores
}

fn dkd(alpha: f32, beta: f32, t: f32) -> Dkd {
    Dkd {
        alpha,
        beta,
        temperature: t.into(),
    }
}

#[test]
fn logit_mse_is_half_the_squared_distance() {
    for_each_batch(|batch| {
        check(&LogitMse, batch, |s, t| {
            0.5 * (s - t).mapv(|d| d * d).sum() / s.nrows() as f64
        });
        let same = LogitBatch::new(batch.teacher, batch.teacher);
        assert_eq!(evaluate(&LogitMse, &same).unwrap().0, 0.0);
    });
}

/// Hinton et al. 2015, section 2.1.
#[test]
fn logit_mse_is_the_limit_of_soft_targets_for_centred_logits() {
    let centred = |seed| {
        let z = logits(3, 4, 2.0, seed);
        let means = z.mean_axis(Axis(1)).unwrap().insert_axis(Axis(1));
        z - means
    };
    let (student, teacher) = (centred(1), centred(2));
    let batch = LogitBatch::new(student.view(), teacher.view());
    let hot = ForwardKl {
        temperature: 300.0.into(),
    };
    let (_, a) = evaluate(&LogitMse, &batch).unwrap();
    let (_, b) = evaluate(&hot, &batch).unwrap();
    for (a, b) in a.iter().zip(&b) {
        assert!((a / 4.0 - b).abs() < 5e-3, "{a} {b}");
    }
}

#[test]
fn kl_divergences_of_both_directions() {
    for_each_batch(|batch| {
        for t in T {
            let temperature = Temperature::from(t);
            let forward = ForwardKl {
                temperature: temperature.clone(),
            };
            check(&forward, batch, |s, z| mean(s, z, t, |_, q, p| kl(p, q)));
            let reverse = ReverseKl { temperature };
            check(&reverse, batch, |s, z| mean(s, z, t, |_, q, p| kl(q, p)));
            let same = LogitBatch::new(batch.teacher, batch.teacher);
            let (value, gradient) = evaluate(&reverse, &same).unwrap();
            assert!(value == 0.0 && gradient.iter().all(|&g| g == 0.0));
        }
    });
}

#[test]
fn jensen_shannon_of_every_weight() {
    for_each_batch(|batch| {
        for (beta, t) in [(0.1, 1.0), (0.5, 1.0), (0.5, 4.0), (0.9, 2.0)] {
            let loss = JensenShannon {
                beta,
                temperature: t.into(),
            };
            let b = f64::from(beta);
            check(&loss, batch, |s, z| {
                mean(s, z, t, |_, q, p| {
                    let pairs = p.iter().zip(q);
                    let m: Vec<f64> = pairs.map(|(p, q)| b * p + (1.0 - b) * q).collect();
                    b * kl(p, &m) + (1.0 - b) * kl(q, &m)
                })
            });
        }
        let swapped = LogitBatch::new(batch.teacher, batch.student);
        let half = JensenShannon::default();
        let [a, b] = [batch, &swapped].map(|batch| evaluate(&half, batch).unwrap().0);
        assert!((a - b).abs() < 1e-6 && a > 0.01, "{a} {b}");
    });
}

#[test]
fn dkd_weighs_the_target_and_the_others() {
    for_each_batch(|batch| {
        for (alpha, beta, t) in [(1.0, 8.0, 4.0), (1.0, 0.0, 1.0), (0.0, 2.0, 0.5)] {
            check(&dkd(alpha, beta, t), batch, |s, z| {
                mean(s, z, t, |row, q, p| {
                    let [target, others] = decoupled(q, p, batch.labels[row] as usize);
                    f64::from(alpha) * target + f64::from(beta) * others
                })
            });
        }
    });
}

/// KL = TCKD + (1 − p_target) · NCKD, equation 6 of the paper.
#[test]
fn dkd_with_the_weights_of_the_kl_divergence_is_it() {
    let (student, teacher) = (logits(6, 5, 3.0, 1), logits(6, 5, 4.0, 2));
    for (row, label) in [0, 3, 1, 4, 2, 2].into_iter().enumerate() {
        let [student, teacher] = [&student, &teacher].map(|z| z.select(Axis(0), &[row]));
        let labels = &[label][..];
        let batch = labelled(student.view(), teacher.view(), labels);
        let p = softmax(teacher.mapv(f64::from).row(0), 2.0)[label as usize];
        let temperature = Temperature::from(2.0);
        let (a, a_gradient) = evaluate(&dkd(1.0, (1.0 - p) as f32, 2.0), &batch).unwrap();
        let (b, b_gradient) = evaluate(&ForwardKl { temperature }, &batch).unwrap();
        assert!((a - b).abs() < 1e-5 * b.max(1.0), "{a} {b}");
        for (a, b) in a_gradient.iter().zip(&b_gradient) {
            assert!((a - b).abs() < 2e-6, "{a} {b}");
        }
    }
}

#[test]
fn dist_is_one_less_the_correlations() {
    for (rows, classes) in [(4, 5), (3, 2), (2, 7)] {
        let (student, teacher) = (logits(rows, classes, 3.0, 1), logits(rows, classes, 4.0, 2));
        let batch = LogitBatch::new(student.view(), teacher.view());
        for (beta, gamma, t) in [(1.0, 1.0, 1.0), (2.0, 0.0, 4.0), (0.0, 2.0, 4.0)] {
            let loss = Dist {
                beta,
                gamma,
                temperature: t.into(),
            };
            // Of two values the correlation is ±1 everywhere: nothing to differentiate.
            let flat = (beta != 0.0 && classes == 2) || (gamma != 0.0 && rows == 2);
            let reference = |s: &Array2<f64>, z: &Array2<f64>| {
                let t = f64::from(t);
                let soft = |z: &Array2<f64>| -> Vec<Vec<f64>> {
                    z.rows().into_iter().map(|row| softmax(row, t)).collect()
                };
                let (q, p) = (soft(s), soft(z));
                let between = q.iter().zip(&p).map(|(q, p)| 1.0 - pearson(q, p));
                let column =
                    |x: &[Vec<f64>], j: usize| -> Vec<f64> { x.iter().map(|row| row[j]).collect() };
                let within = (0..classes).map(|j| 1.0 - pearson(&column(&q, j), &column(&p, j)));
                let between = f64::from(beta) * between.sum::<f64>() / rows as f64;
                t * t * (between + f64::from(gamma) * within.sum::<f64>() / classes as f64)
            };
            if flat {
                let (value, gradient) = evaluate(&loss, &batch).unwrap();
                let expected = reference(&student.mapv(f64::from), &teacher.mapv(f64::from));
                assert!(
                    (f64::from(value) - expected).abs() < 1e-3,
                    "{value} {expected}"
                );
                assert!(gradient.iter().all(|g| g.is_finite()));
            } else {
                check(&loss, &batch, reference);
            }
        }
    }
}

/// A row of probabilities mixed with the uniform one is only scaled and shifted.
#[test]
fn dist_sees_neither_scale_nor_shift_of_probabilities() {
    let teacher = logits(3, 4, 3.0, 2);
    let mixed = |share: f64, shift: f64| {
        let rows = teacher.mapv(f64::from);
        let mut out = teacher.clone();
        for (mut out, row) in out.rows_mut().into_iter().zip(rows.rows()) {
            for (out, p) in out.iter_mut().zip(softmax(row, 1.0)) {
                *out = ((share * p + (1.0 - share) / 4.0).ln() + shift) as f32;
            }
        }
        out
    };
    let between = Dist {
        gamma: 0.0,
        ..Dist::default()
    };
    for student in [mixed(1.0, 7.0), mixed(0.5, 0.0), mixed(0.2, -3.0)] {
        let batch = LogitBatch::new(student.view(), teacher.view());
        assert!(evaluate(&between, &batch).unwrap().0 < 1e-5);
        // The samples of a class all change alike too.
        assert!(evaluate(&Dist::default(), &batch).unwrap().0 < 1e-5);
    }
    // No correlation, no gradient: a student that says the same of each class.
    let flat = Array2::from_elem((3, 4), 2.0);
    let batch = LogitBatch::new(flat.view(), teacher.view());
    let (value, gradient) = evaluate(&Dist::default(), &batch).unwrap();
    assert_eq!((value, gradient), (2.0, Array2::zeros((3, 4))));
}

#[test]
fn standardized_logits_are_compared_by_their_z_scores() {
    for_each_batch(|batch| {
        // Two z-scores are ±1 whatever the logits.
        let flat = batch.student.ncols() == 2;
        let kl_loss = StandardizedLogits::default();
        let dkd_loss = StandardizedLogits {
            loss: dkd(1.0, 2.0, 1.5),
        };
        check(&kl_loss, batch, |s, z| {
            mean(&z_scores(s), &z_scores(z), 2.0, |_, q, p| kl(p, q))
        });
        check(&dkd_loss, batch, |s, z| {
            mean(&z_scores(s), &z_scores(z), 1.5, |row, q, p| {
                let [target, others] = decoupled(q, p, batch.labels[row] as usize);
                target + 2.0 * others
            })
        });
        let moved = batch.student.mapv(|x| 3.0 * x + 5.0);
        let moved = labelled(moved.view(), batch.teacher, batch.labels);
        let a = evaluate(&kl_loss, batch).unwrap();
        let b = evaluate(&kl_loss, &moved).unwrap();
        assert!((a.0 - b.0).abs() < 1e-5 && (flat || a.0 > 0.01));
        for (a, b) in a.1.iter().zip(&b.1) {
            assert!((a - 3.0 * b).abs() < 1e-5, "{a} {b}");
        }
    });
    let (equal, teacher) = (array![[2.0, 2.0, 2.0]], array![[1.0, 2.0, 5.0]]);
    let batch = LogitBatch::new(equal.view(), teacher.view());
    let (value, gradient) = evaluate(&StandardizedLogits::default(), &batch).unwrap();
    assert!(value > 0.0);
    assert_eq!(gradient, array![[0.0, 0.0, 0.0]]);
}

fn all() -> Vec<Box<dyn LogitLoss>> {
    vec![
        Box::new(LogitMse),
        Box::new(ForwardKl::default()),
        Box::new(ReverseKl::default()),
        Box::new(JensenShannon::default()),
        Box::new(dkd(1.0, 8.0, 1.0)),
        Box::new(Dist::default()),
        Box::new(StandardizedLogits::default()),
    ]
}

#[test]
fn extreme_logits_give_finite_gradients() {
    let teacher = array![
        [1e4, -1e4, 0.0],
        [0.0, 0.0, 0.0],
        [-1e4, 1e4, 1e4],
        [1e-30, 0.0, 0.0]
    ];
    let turned = teacher
        .slice(ndarray::s![.., ..;-1])
        .as_standard_layout()
        .into_owned();
    for student in [
        &teacher,
        &turned,
        &teacher.mapv(|x| -x),
        &teacher.mapv(|x: f32| x * 1e-4),
    ] {
        let batch = labelled(student.view(), teacher.view(), &[1, 0, 2, 2]);
        for (number, loss) in all().iter().enumerate() {
            let (value, gradient) = evaluate(loss.as_ref(), &batch).unwrap();
            let finite = value.is_finite() && gradient.iter().all(|g| g.is_finite());
            assert!(finite, "{number}: {value} {gradient}");
        }
    }
}

#[test]
fn what_is_wrong_is_an_error() {
    let good = logits(3, 4, 2.0, 1);
    let labels = [0, 1, 3];
    for loss in all() {
        let fails =
            |batch: &LogitBatch<'_>| evaluate(loss.as_ref(), batch).unwrap_err().to_string();
        for bad in [f32::NAN, f32::INFINITY] {
            let mut broken = good.clone();
            broken[(2, 1)] = bad;
            fails(&labelled(broken.view(), good.view(), &labels));
            let error = fails(&labelled(good.view(), broken.view(), &labels));
            assert!(error.contains("class 1 for sample 2"), "{error}");
        }
        let [few, narrow, none] = [(2, 4), (3, 3), (0, 4)].map(Array2::zeros);
        fails(&labelled(good.view(), few.view(), &labels));
        let error = fails(&labelled(good.view(), narrow.view(), &labels));
        assert!(
            error.contains("teacher has 3 outputs, but the student has 4"),
            "{error}"
        );
        fails(&labelled(none.view(), none.view(), &labels));
        let mut gradient = Array2::zeros((4, 3));
        let strided = gradient.view_mut().reversed_axes();
        assert!(
            loss.evaluate(&labelled(good.view(), good.view(), &labels), strided)
                .is_err()
        );
    }
    let dkd = Dkd::default();
    let without = LogitBatch::new(good.view(), good.view());
    let error = evaluate(&dkd, &without).unwrap_err().to_string();
    assert!(error.contains("of 3 samples 0 have one"), "{error}");
    let (labels, indices) = (&[0, 9, 1][..], &[7, 8, 9][..]);
    let error = evaluate(
        &dkd,
        &LogitBatch {
            labels,
            indices,
            ..without
        },
    )
    .unwrap_err();
    assert!(error.to_string().contains("label 9 of sample 8"), "{error}");
    let one = Array2::zeros((1, 1));
    let one = LogitBatch {
        labels: &[0],
        ..LogitBatch::new(one.view(), one.view())
    };
    assert!(
        evaluate(&dkd, &one)
            .unwrap_err()
            .to_string()
            .contains("at least 2")
    );
}

#[test]
fn settings_out_of_range_are_refused_at_once() {
    let teacher = Teacher::Cached(logits(3, 4, 2.0, 1));
    let made =
        |name: &str, settings: LossSettings<'_>| loss(name, settings).err().map(|e| e.to_string());
    let settings = || LossSettings::new(teacher.clone());
    let tempered = LOSSES.iter().map(|entry| entry.name);
    for name in tempered.filter(|n| !["hard_labels", "label_smoothing", "logit_mse"].contains(n)) {
        let temperature = Some(0.0.into());
        let error = made(
            name,
            LossSettings {
                temperature,
                ..settings()
            },
        )
        .unwrap();
        assert!(error.contains("the temperature is 0"), "{name}: {error}");
    }
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        let [alpha, beta, gamma] = [Some(bad); 3];
        assert!(
            made(
                "dkd",
                LossSettings {
                    alpha,
                    ..settings()
                }
            )
            .is_some()
        );
        assert!(made("dkd", LossSettings { beta, ..settings() }).is_some());
        assert!(made("dist", LossSettings { beta, ..settings() }).is_some());
        assert!(
            made(
                "dist",
                LossSettings {
                    gamma,
                    ..settings()
                }
            )
            .is_some()
        );
    }
    for beta in [0.0, 1.0, f32::NAN].map(Some) {
        assert!(made("jensen_shannon", LossSettings { beta, ..settings() }).is_some());
    }
    for smoothing in [-0.1, 1.5, f32::NAN].map(Some) {
        assert!(
            made(
                "label_smoothing",
                LossSettings {
                    smoothing,
                    ..settings()
                }
            )
            .is_some()
        );
    }
}
