//! Losses between features, against their papers' formulas in f64; invariances and degenerate
//! batches.

use compress_core::rng;
use compress_distill::features::*;
use ndarray::{Array2, array};

fn random(rows: usize, features: usize, seed: u64) -> Array2<f32> {
    let mut stream = rng::stream(seed, "tests.features");
    Array2::from_shape_simple_fn((rows, features), || 2.0 * rng::uniform(&mut stream) - 1.0)
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// `x` over its norm; zeros stay.
fn unit(x: &[f64]) -> Vec<f64> {
    let norm = norm(x);
    let over = |x: &f64| if norm > 0.0 { x / norm } else { 0.0 };
    x.iter().map(over).collect()
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn rows(x: &Array2<f64>) -> Vec<Vec<f64>> {
    x.rows().into_iter().map(|row| row.to_vec()).collect()
}

fn huber(x: f64, y: f64) -> f64 {
    match (x - y).abs() {
        d if d <= 1.0 => 0.5 * d * d,
        d => d - 0.5,
    }
}

fn hint(s: &Array2<f64>, t: &Array2<f64>) -> f64 {
    let distances = rows(s).into_iter().zip(rows(t));
    let sum: f64 = distances.map(|(s, t)| norm(&minus(&s, &t)).powi(2)).sum();
    0.5 * sum / s.nrows() as f64
}

fn attention(s: &Array2<f64>, t: &Array2<f64>, channels: [usize; 2]) -> f64 {
    let map = |x: &[f64], channels: usize| {
        let positions = x.len() / channels;
        let at = |p: usize| (0..channels).map(|c| x[c * positions + p].powi(2)).sum();
        unit(&(0..positions).map(at).collect::<Vec<f64>>())
    };
    let pairs = rows(s).into_iter().zip(rows(t));
    let distance =
        |(s, t): (Vec<f64>, Vec<f64>)| norm(&minus(&map(&s, channels[0]), &map(&t, channels[1])));
    0.5 * pairs.map(distance).sum::<f64>() / s.nrows() as f64
}

fn similarity(s: &Array2<f64>, t: &Array2<f64>) -> f64 {
    let normalized = |x: &Array2<f64>| -> Vec<Vec<f64>> {
        let products = |a: &Vec<f64>| -> Vec<f64> {
            let with = |b: Vec<f64>| a.iter().zip(&b).map(|(a, b)| a * b).sum();
            rows(x).into_iter().map(with).collect()
        };
        rows(x).iter().map(|row| unit(&products(row))).collect()
    };
    let pairs = normalized(s).into_iter().zip(normalized(t));
    let sum: f64 = pairs.map(|(s, t)| norm(&minus(&s, &t)).powi(2)).sum();
    sum / (s.nrows() as f64).powi(2)
}

fn rkd_distance(s: &Array2<f64>, t: &Array2<f64>) -> f64 {
    let potentials = |x: &Array2<f64>| -> Vec<f64> {
        let (x, mut distances) = (rows(x), Vec::new());
        for i in 0..x.len() {
            for j in (0..x.len()).filter(|&j| j != i) {
                distances.push(norm(&minus(&x[i], &x[j])));
            }
        }
        let mean = distances.iter().sum::<f64>() / distances.len() as f64;
        let over = |d: &f64| if mean > 0.0 { d / mean } else { 0.0 };
        distances.iter().map(over).collect()
    };
    let (s, t) = (potentials(s), potentials(t));
    s.iter().zip(&t).map(|(s, t)| huber(*s, *t)).sum::<f64>() / s.len() as f64
}

fn rkd_angle(s: &Array2<f64>, t: &Array2<f64>) -> f64 {
    let cosines = |x: &Array2<f64>| -> Vec<f64> {
        let (x, mut cosines) = (rows(x), Vec::new());
        for i in 0..x.len() {
            for j in 0..x.len() {
                for k in 0..x.len() {
                    if i != j && j != k && i != k {
                        let a = unit(&minus(&x[i], &x[j]));
                        let b = unit(&minus(&x[k], &x[j]));
                        cosines.push(a.iter().zip(&b).map(|(a, b)| a * b).sum());
                    }
                }
            }
        }
        cosines
    };
    let (s, t) = (cosines(s), cosines(t));
    s.iter().zip(&t).map(|(s, t)| huber(*s, *t)).sum::<f64>() / s.len() as f64
}

/// A loss of student and teacher.
type Reference = fn(&Array2<f64>, &Array2<f64>) -> f64;

/// Compares value and gradient with those of `reference`, differentiated numerically; the gradient
/// of the rows that `smooth` names.
fn check_rows(
    loss: &dyn FeatureLoss,
    student: &Array2<f32>,
    teacher: &Array2<f32>,
    reference: impl Fn(&Array2<f64>, &Array2<f64>) -> f64,
    smooth: impl Fn(usize) -> bool,
) {
    let (value, gradient) = loss.evaluate(student.view(), teacher.view()).unwrap();
    assert_eq!(gradient.dim(), student.dim());
    let (student, teacher) = (student.mapv(f64::from), teacher.mapv(f64::from));
    let expected = reference(&student, &teacher);
    assert!(expected > 1e-3, "the case is too easy: {expected}");
    assert!(
        (f64::from(value) - expected).abs() < 1e-6 * expected.max(1.0),
        "{value} {expected}"
    );
    for ((i, j), &g) in gradient.indexed_iter().filter(|((i, _), _)| smooth(*i)) {
        let at = |h: f64| {
            let mut moved = student.clone();
            moved[(i, j)] += h;
            reference(&moved, &teacher)
        };
        let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
        assert!(
            (f64::from(g) - slope).abs() < 1e-6 * slope.abs().max(1.0),
            "({i}, {j}): {g} {slope}"
        );
    }
    assert!(gradient.iter().all(|g| g.is_finite()));
}

fn check(
    loss: &dyn FeatureLoss,
    student: &Array2<f32>,
    teacher: &Array2<f32>,
    reference: impl Fn(&Array2<f64>, &Array2<f64>) -> f64,
) {
    check_rows(loss, student, teacher, reference, |_| true);
}

#[test]
fn hints_are_squared_distances() {
    check(&Hint::new(), &random(5, 19, 1), &random(5, 19, 2), hint);
    check(&Hint::new(), &random(1, 3, 1), &random(1, 3, 2), hint);
}

#[test]
fn a_hint_goes_through_its_regressor() {
    let options = RegressorOptions {
        seed: 5,
        ..RegressorOptions::default()
    };
    let regressor = Regressor::new(4, 7, options).unwrap();
    // Its columns, read off by unit vectors; its bias is 0.
    let weights = regressor
        .map(Array2::eye(4).view())
        .unwrap()
        .mapv(f64::from);
    assert!(
        regressor
            .map(Array2::zeros((1, 4)).view())
            .unwrap()
            .iter()
            .all(|&y| y == 0.0)
    );
    let bound = (6.0_f64 / 11.0).sqrt();
    assert!(weights.iter().all(|w| w.abs() <= bound) && norm(&rows(&weights)[0]) > 0.1);
    let loss = Hint::through(regressor.clone());
    check(&loss, &random(5, 4, 1), &random(5, 7, 2), |s, t| {
        let mut mapped = Array2::zeros((s.nrows(), 7));
        for ((i, j), y) in mapped.indexed_iter_mut() {
            *y = (0..4).map(|k| s[(i, k)] * weights[(k, j)]).sum();
        }
        hint(&mapped, t)
    });
}

#[test]
fn attention_maps_sum_over_channels() {
    for (channels, positions) in [([1, 1], 9), ([2, 3], 4), ([3, 1], 5), ([4, 2], 2)] {
        let student = random(3, channels[0] * positions, 1);
        let teacher = random(3, channels[1] * positions, 2);
        let loss = AttentionTransfer::new(channels[0], channels[1]).unwrap();
        check(&loss, &student, &teacher, |s, t| attention(s, t, channels));
    }
}

#[test]
fn similarities_are_of_samples() {
    check(&Similarity, &random(6, 4, 1), &random(6, 21, 2), similarity);
    check(&Similarity, &random(2, 17, 1), &random(2, 3, 2), similarity);
}

/// Five points close together and one far away, on a line: some potentials and cosines differ by more
/// than 1 from those of points in general position, as the linear part of the Huber loss needs.
fn line() -> Array2<f32> {
    array![[0.1], [-0.2], [0.3], [0.25], [-0.4], [90.0]]
}

#[test]
fn relations_are_huber_losses_of_distances_and_angles() {
    for teacher in [random(6, 21, 2), line()] {
        check(&RkdDistance, &random(6, 4, 1), &teacher, rkd_distance);
        check(&RkdAngle, &random(6, 4, 1), &teacher, rkd_angle);
        check(&RkdAngle, &random(6, 11, 3), &teacher, rkd_angle);
    }
}

/// `x` with its first two features rotated, everything scaled, and shifted.
fn moved(x: &Array2<f32>, scale: f32, shift: f32) -> Array2<f32> {
    let mut x = x.clone();
    for mut row in x.rows_mut() {
        let (a, b) = (row[0], row[1]);
        (row[0], row[1]) = (0.6 * a - 0.8 * b, 0.8 * a + 0.6 * b);
        row.mapv_inplace(|x| scale * x + shift);
    }
    x
}

#[test]
fn relations_survive_rotation_and_scale() {
    let (student, teacher) = (random(6, 4, 1), random(6, 5, 2));
    let losses: [(&dyn FeatureLoss, f32); 3] =
        [(&Similarity, 0.0), (&RkdDistance, 2.0), (&RkdAngle, -2.0)];
    for (loss, shift) in losses {
        let value = |s: &Array2<f32>, t: &Array2<f32>| loss.evaluate(s.view(), t.view()).unwrap().0;
        let whole = value(&student, &teacher);
        let by_student = value(&moved(&student, 3.0, shift), &teacher);
        let by_teacher = value(&student, &moved(&teacher, 0.125, shift));
        assert!(whole > 1e-2);
        assert!((whole - by_student).abs() < 1e-5, "{whole} {by_student}");
        assert!((whole - by_teacher).abs() < 1e-5, "{whole} {by_teacher}");
        assert!(value(&moved(&teacher, 3.0, shift), &teacher) < 1e-9);
        assert_eq!(value(&teacher, &teacher), 0.0);
        // One feature scaled alone is another shape.
        let mut other = teacher.clone();
        other.column_mut(0).mapv_inplace(|x| 3.0 * x);
        assert!(value(&other, &teacher) > 1e-3);
    }
}

#[test]
fn batches_too_small_for_a_relation_cost_nothing() {
    let nothing = |loss: &dyn FeatureLoss, batch: usize| {
        let (student, teacher) = (random(batch, 3, 1), random(batch, 5, 2));
        let (value, gradient) = loss.evaluate(student.view(), teacher.view()).unwrap();
        assert!(
            value.abs() < 1e-12 && gradient.iter().all(|g| g.abs() < 1e-6),
            "{gradient}"
        );
    };
    nothing(&Similarity, 1);
    nothing(&RkdDistance, 1);
    nothing(&RkdDistance, 2);
    nothing(&RkdAngle, 1);
    nothing(&RkdAngle, 2);
}

#[test]
fn samples_of_zeros_have_no_direction() {
    let (mut student, mut teacher) = (random(4, 3, 1), random(4, 6, 2));
    student.row_mut(1).fill(0.0);
    teacher.row_mut(2).fill(0.0);
    check_rows(&Similarity, &student, &teacher, similarity, |row| row != 1);
    let zeros = Array2::zeros((4, 3));
    let full = random(4, 6, 3);
    let (value, gradient) = Similarity.evaluate(zeros.view(), full.view()).unwrap();
    assert!((value - 0.25).abs() < 1e-6 && gradient == zeros, "{value}");

    let attend = AttentionTransfer::new(1, 2).unwrap();
    check_rows(
        &attend,
        &student,
        &teacher,
        |s, t| attention(s, t, [1, 2]),
        |row| row != 1,
    );
    let (value, gradient) = attend.evaluate(zeros.view(), full.view()).unwrap();
    assert!((value - 0.5).abs() < 1e-6 && gradient == zeros, "{value}");
    // Maps that agree: the norm has no gradient there.
    let own = AttentionTransfer::new(2, 2).unwrap();
    let doubled = 2.0 * &full;
    let (value, gradient) = own.evaluate(doubled.view(), full.view()).unwrap();
    assert!(value == 0.0 && gradient.iter().all(|&g| g == 0.0));
}

#[test]
fn equal_samples_are_at_no_distance_and_no_angle() {
    let (mut student, mut teacher) = (random(5, 3, 1), random(5, 4, 2));
    let (from, to) = (student.row(0).to_owned(), teacher.row(1).to_owned());
    student.row_mut(3).assign(&from);
    teacher.row_mut(2).assign(&to);
    // The slope of a distance at 0 is 0 on average over both sides, as central differences are.
    check(&RkdDistance, &student, &teacher, rkd_distance);
    let apart = |row| row != 0 && row != 3;
    check_rows(&RkdAngle, &student, &teacher, rkd_angle, apart);

    let equal = Array2::from_elem((5, 3), 0.7);
    let cases: [(&dyn FeatureLoss, Reference); 2] =
        [(&RkdDistance, rkd_distance), (&RkdAngle, rkd_angle)];
    for (loss, reference) in cases {
        let (value, gradient) = loss.evaluate(equal.view(), teacher.view()).unwrap();
        let expected = reference(&equal.mapv(f64::from), &teacher.mapv(f64::from));
        assert!((f64::from(value) - expected).abs() < 1e-6);
        assert!(gradient.iter().all(|&g| g == 0.0));
    }
}

#[test]
fn features_of_any_size_give_numbers_or_an_error() {
    let student = random(4, 6, 1);
    let attend = AttentionTransfer::new(2, 3).unwrap();
    // Each with the width of the teacher.
    let relative: [(&dyn FeatureLoss, usize); 4] = [
        (&Similarity, 6),
        (&RkdDistance, 6),
        (&RkdAngle, 6),
        (&attend, 9),
    ];
    for (loss, width) in relative {
        let teacher = random(4, width, 2);
        // Scale does not matter, as far as f32 goes.
        let (whole, gradient) = loss.evaluate(student.view(), teacher.view()).unwrap();
        for scale in [2.0_f32.powi(100), 2.0_f32.powi(-100)] {
            let (value, scaled) = loss
                .evaluate((scale * &student).view(), teacher.view())
                .unwrap();
            assert!((value - whole).abs() < 1e-6);
            for (a, b) in gradient.iter().zip(&scaled) {
                assert!((a - b * scale).abs() < 1e-6);
            }
        }
        for bad in [f32::NAN, f32::INFINITY] {
            let mut wrong = student.clone();
            wrong[(2, 1)] = bad;
            let error = loss
                .evaluate(wrong.view(), teacher.view())
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("student's features") && error.contains("13"),
                "{error}"
            );
            let mut wrong = teacher.clone();
            wrong[(0, 0)] = bad;
            let error = loss
                .evaluate(student.view(), wrong.view())
                .unwrap_err()
                .to_string();
            assert!(error.contains("teacher's features"), "{error}");
        }
        assert!(
            loss.evaluate(student.view(), random(3, 9, 2).view())
                .is_err()
        );
        assert!(
            loss.evaluate(Array2::zeros((0, 6)).view(), Array2::zeros((0, 6)).view())
                .is_err()
        );
        assert!(
            loss.evaluate(Array2::zeros((4, 0)).view(), Array2::zeros((4, 0)).view())
                .is_err()
        );
    }
    let far = Array2::from_elem((4, 6), 3e38);
    assert!(Hint::new().evaluate(far.view(), (-&far).view()).is_err());
}

#[test]
fn the_order_in_memory_does_not_matter() {
    let (student, teacher) = (random(4, 6, 1), random(4, 6, 2));
    let by_feature = student.t().as_standard_layout().into_owned();
    for FeatureLossEntry { name, make, .. } in FEATURE_LOSSES {
        let loss = make(FeatureSettings::default()).unwrap();
        let plain = loss.evaluate(student.view(), teacher.view()).unwrap();
        let other = loss.evaluate(by_feature.t(), teacher.view()).unwrap();
        assert_eq!(plain, other, "{name}");
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let error = |loss: &dyn FeatureLoss, student: usize, teacher: usize| {
        let (student, teacher) = (random(4, student, 1), random(4, teacher, 2));
        loss.evaluate(student.view(), teacher.view())
            .unwrap_err()
            .to_string()
    };
    assert!(error(&Hint::new(), 3, 4).contains("a regressor maps"));
    let regressor = Regressor::new(3, 4, RegressorOptions::default()).unwrap();
    assert!(error(&Hint::through(regressor.clone()), 2, 4).contains("the regressor reads"));
    assert!(error(&Hint::through(regressor), 3, 5).contains("the regressor gives"));
    let attend = AttentionTransfer::new(2, 3).unwrap();
    assert!(error(&attend, 5, 6).contains("a multiple of the 2 channels"));
    assert!(error(&attend, 6, 8).contains("teacher's features"));
    assert!(AttentionTransfer::new(0, 1).is_err());
    assert!(AttentionTransfer::new(1, 0).is_err());
    assert!(
        AttentionTransfer::new(1, usize::MAX)
            .unwrap()
            .evaluate(random(2, 3, 1).view(), random(2, 3, 2).view())
            .is_err()
    );
    for (student, teacher) in [(0, 3), (3, 0), (usize::MAX, 2), (1 << 40, 1 << 20)] {
        assert!(Regressor::new(student, teacher, RegressorOptions::default()).is_err());
    }
    for rate in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let options = RegressorOptions {
            rate,
            ..RegressorOptions::default()
        };
        assert!(Regressor::new(2, 2, options).is_err(), "{rate}");
    }
}

#[test]
fn every_loss_between_features_is_registered_under_its_name() {
    let (student, teacher) = (random(4, 6, 1), random(4, 9, 2));
    let settings = FeatureSettings {
        regressor: Some(Regressor::new(6, 9, RegressorOptions::default()).unwrap()),
        student_channels: 2,
        teacher_channels: 3,
    };
    let value = |loss: &dyn FeatureLoss| loss.evaluate(student.view(), teacher.view()).unwrap();
    let made = |name| value(feature_loss(name, settings.clone()).unwrap().as_ref());
    let regressor = settings.regressor.clone().unwrap();
    assert_eq!(made("hint"), value(&Hint::through(regressor)));
    assert_eq!(
        made("attention_transfer"),
        value(&AttentionTransfer::new(2, 3).unwrap())
    );
    assert_eq!(made("similarity"), value(&Similarity));
    assert_eq!(made("rkd_distance"), value(&RkdDistance));
    assert_eq!(made("rkd_angle"), value(&RkdAngle));
    assert_eq!(FEATURE_LOSSES.len(), 5);
    let error = feature_loss("x", settings).err().unwrap().to_string();
    assert!(error.contains("rkd_distance, rkd_angle"), "{error}");
}
