//! Criteria that look at one layer: layer-adaptive magnitude pruning and Optimal Brain Surgeon.

use compress_core::calibrate::InputGram;
use compress_core::linalg::Damping;
use compress_prune::*;
use compress_testing::normal;
use ndarray::{Array1, Array2, ArrayView1};

#[track_caller]
fn assert_near(found: f32, expected: f64, tolerance: f64) {
    let difference = (f64::from(found) - expected).abs();
    assert!(difference <= tolerance * expected, "{found} for {expected}");
}

#[test]
fn lamp_divides_squares_by_all_that_are_not_smaller() {
    let mut values = normal(1, "lamp", 60);
    // Equal magnitudes, some of them zero.
    for (from, to) in [(0, 7), (0, 31), (5, 50)] {
        values[to] = -values[from];
    }
    values[3] = 0.0;
    values[40] = -0.0;
    let weight = TensorRef::weight("w", &[4, 5, 3], &values).unwrap();
    let scores = Lamp.score(weight, &Evidence::none()).unwrap();
    let square = |i: usize| f64::from(values[i]).powi(2);
    for (u, &score) in scores.iter().enumerate() {
        let follows = |v: &usize| square(*v) > square(u) || square(*v) == square(u) && *v <= u;
        let sum: f64 = (0..60).filter(follows).map(square).sum();
        let expected = if square(u) > 0.0 {
            square(u) / sum
        } else {
            0.0
        };
        assert_near(score, expected, 1e-6);
    }
    let largest = scores.iter().filter(|&&s| s == 1.0);
    assert_eq!(largest.count(), 1);
    assert!(scores[0] > scores[7] && scores[7] > scores[31]);
}

#[test]
fn lamp_of_zeros_and_of_nothing_is_zero() {
    for values in [&[0.0, -0.0][..], &[]] {
        let shape = [values.len(), 1];
        let weight = TensorRef::weight("w", &shape, values).unwrap();
        let scores = Lamp.score(weight, &Evidence::none()).unwrap();
        assert_eq!(scores, vec![0.0; values.len()]);
    }
    let huge = [f32::MAX, f32::MAX];
    let weight = TensorRef::weight("w", &[2, 1], &huge).unwrap();
    assert_eq!(Lamp.score(weight, &Evidence::none()).unwrap(), [1.0, 0.5]);
}

/// Solves `a·x = b` by elimination with pivots.
fn solve(mut a: Array2<f64>, mut b: Array1<f64>) -> Array1<f64> {
    let n = b.len();
    for k in 0..n {
        let size = |&i: &usize| a[(i, k)].abs();
        let pivot = (k..n).max_by(|i, j| size(i).total_cmp(&size(j))).unwrap();
        for column in 0..n {
            a.swap((k, column), (pivot, column));
        }
        b.swap(k, pivot);
        for i in (0..n).filter(|&i| i != k) {
            let factor = a[(i, k)] / a[(k, k)];
            for column in 0..n {
                a[(i, column)] -= factor * a[(k, column)];
            }
            b[i] -= factor * b[k];
        }
    }
    Array1::from_shape_fn(n, |i| b[i] / a[(i, i)])
}

/// How much `‖X·(v − w)‖² + ridge·‖v − w‖²` is at least, where `v` has a zero in a column.
fn increase(x: &Array2<f64>, ridge: f64, w: ArrayView1<'_, f64>, column: usize) -> f64 {
    let columns = w.len();
    let mut system = Array2::<f64>::zeros((columns, columns));
    let mut side = Array1::<f64>::zeros(columns);
    for i in (0..columns).filter(|&i| i != column) {
        for j in (0..columns).filter(|&j| j != column) {
            system[(i, j)] = x.rows().into_iter().map(|row| row[i] * row[j]).sum();
        }
        system[(i, i)] += ridge;
        let along: f64 = x.rows().into_iter().map(|row| row[i] * row[column]).sum();
        side[i] = along * w[column];
    }
    system[(column, column)] = 1.0;
    side[column] = -w[column];
    let change = solve(system, side);
    let errors = x.rows().into_iter().map(|row| {
        let error: f64 = row.iter().zip(&change).map(|(x, c)| x * c).sum();
        error * error
    });
    errors.sum::<f64>() + ridge * change.iter().map(|c| c * c).sum::<f64>()
}

/// What 40 rows show of 6 columns, which hang together.
fn inputs() -> Array2<f32> {
    let independent = Array2::from_shape_vec((40, 6), normal(2, "inputs", 240)).unwrap();
    Array2::from_shape_fn((40, 6), |(row, column)| {
        independent[(row, column)] + 0.8 * independent[(row, (column + 1) % 6)]
    })
}

fn gram_of(x: &Array2<f32>) -> InputGram {
    let columns = x.ncols();
    let sum = |(i, j)| {
        let products = x
            .rows()
            .into_iter()
            .map(|row| f64::from(row[i]) * f64::from(row[j]));
        products.sum::<f64>() as f32
    };
    InputGram {
        samples: x.nrows(),
        matrix: Array2::from_shape_fn((columns, columns), sum),
    }
}

/// Scores four rows of six columns, of any rank, and compares them with a solution for each weight.
fn check_obs(x: &Array2<f32>, obs: Obs, ridge: f64, dead: Option<usize>) {
    let values = normal(3, "weights", 24);
    let weight = TensorRef::weight("w", &[4, 2, 3], &values).unwrap();
    let gram = gram_of(x);
    let scores = obs
        .score(weight, &Evidence::none().with_gram(&gram))
        .unwrap();
    let x = x.mapv(f64::from);
    for (row, (values, scores)) in values.chunks(6).zip(scores.chunks(6)).enumerate() {
        let w: Array1<f64> = values.iter().map(|&w| f64::from(w)).collect();
        for (column, &score) in scores.iter().enumerate() {
            if dead == Some(column) {
                assert_eq!(score, 0.0, "{row}");
            } else {
                let expected = increase(&x, ridge, w.view(), column);
                assert_near(score, expected, 1e-4);
            }
        }
    }
}

#[test]
fn obs_is_the_error_that_is_left_after_solving_for_the_other_weights() {
    check_obs(
        &inputs(),
        Obs {
            damping: Damping::NONE,
        },
        0.0,
        None,
    );
}

#[test]
fn damping_is_a_price_on_changes_of_the_other_weights() {
    let x = inputs();
    let squares: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
    check_obs(&x, Obs::default(), 0.01 * squares / 6.0, None);
}

#[test]
fn obs_of_what_reads_nothing_is_zero() {
    let mut x = inputs();
    x.column_mut(2).fill(0.0);
    // The damping is relative to the mean of the five others.
    let squares: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
    check_obs(&x, Obs::default(), 0.01 * squares / 5.0, Some(2));

    let weight = TensorRef::weight("w", &[2, 1], &[1.0, 2.0]).unwrap();
    let gram = gram_of(&Array2::zeros((4, 1)));
    let evidence = Evidence::none().with_gram(&gram);
    assert_eq!(Obs::default().score(weight, &evidence).unwrap(), [0.0; 2]);
}

#[test]
fn obs_says_what_it_cannot_factor_and_never_leaves_f32() {
    // Two columns that are the same: the second pivot is exactly zero.
    let gram = gram_of(&Array2::ones((4, 2)));
    let evidence = Evidence::none().with_gram(&gram);
    let huge = [f32::MAX; 2];
    let weight = TensorRef::weight("w", &[1, 2], &huge).unwrap();
    let singular = Obs {
        damping: Damping::NONE,
    };
    let error = singular.score(weight, &evidence).unwrap_err().to_string();
    assert!(error.contains("inputs of w"), "{error}");
    assert_eq!(Obs::default().score(weight, &evidence).unwrap(), huge);
}
