//! Matrices that have no factor, and what is added to them.

use ndarray::{Array2, arr2};

use super::super::{Cholesky, Damping, inverse_upper};
use super::{distance, gram, identity, numbers, product};
use crate::Error;

#[test]
fn a_matrix_that_is_not_square_is_refused() {
    for shape in [(3, 4), (4, 3), (0, 1), (1, 0)] {
        let a = Array2::ones(shape);
        let errors = [
            Cholesky::factor("gram of fc1", a.view()).unwrap_err(),
            inverse_upper("gram of fc1", a.view(), &Damping::NONE).unwrap_err(),
        ];
        for error in errors {
            let said = error.to_string();
            assert!(matches!(error, Error::Shape { .. }), "{said}");
            assert!(said.contains("gram of fc1"), "{said}");
        }
    }
}

#[test]
fn a_value_that_is_not_finite_is_named() {
    for n in [5, 300] {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for (i, j) in [(0, 0), (3, 1), (4, 4), (n - 1, 0), (n - 1, n - 1)] {
                let mut a = gram(n, 5, 1);
                a[(i, j)] = bad;
                let expected = format!("gram: value {bad} at index {} is not", i * n + j);
                let error = Cholesky::factor("gram", a.view()).unwrap_err().to_string();
                assert!(error.starts_with(&expected), "{error}");
                let error = inverse_upper("gram", a.view(), &Damping::default());
                let error = error.unwrap_err().to_string();
                assert!(error.starts_with(&expected), "{error}");
            }
        }
    }
}

#[test]
fn a_pivot_that_is_not_positive_is_named() {
    for (n, at) in [
        (1, 0),
        (5, 3),
        (40, 17),
        (300, 0),
        (300, 255),
        (300, 256),
        (300, 299),
    ] {
        for value in [0.0, -2.5] {
            let mut a = identity(n);
            a[(at, at)] = value;
            let error = Cholesky::factor("gram", a.view()).unwrap_err();
            let said = error.to_string();
            let Error::NotPositiveDefinite {
                what,
                pivot,
                value: found,
                tried,
            } = error
            else {
                panic!("{said}");
            };
            assert_eq!((what.as_str(), pivot, found), ("gram", at, value));
            assert!(tried.is_empty());
            assert!(said.contains(&format!("pivot {at} is {value:e}")), "{said}");
            let error = inverse_upper("gram", a.view(), &Damping::NONE).unwrap_err();
            let Error::NotPositiveDefinite { pivot, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(pivot, at);
        }
    }
    // Indefinite though every diagonal element is positive.
    let a = arr2(&[[1.0, 2.0], [2.0, 1.0]]);
    let error = Cholesky::factor("a", a.view()).unwrap_err().to_string();
    assert_eq!(error, "a is not positive definite: pivot 1 is -3e0");
}

#[test]
fn what_overflows_is_refused() {
    let a = arr2(&[[1e-300, 0.0], [1e300, 1e300]]);
    let error = Cholesky::factor("a", a.view()).unwrap_err();
    assert!(
        matches!(error, Error::NotPositiveDefinite { pivot: 1, .. }),
        "{error}"
    );
    let a = arr2(&[[f64::MAX, 0.0], [0.0, f64::MAX]]);
    assert!(Cholesky::factor("a", a.view()).is_ok());
    assert!(Cholesky::factor_damped("a", a.view(), &Damping::default()).is_err());
}

#[test]
fn a_diagonal_whose_sum_overflows_has_a_mean() {
    let a = arr2(&[[1e308, 0.0], [0.0, 1e308]]);
    let (cholesky, share) = Cholesky::factor_damped("a", a.view(), &Damping::default()).unwrap();
    assert_eq!(share, 0.01);
    assert_eq!(cholesky.lower()[(0, 0)], (1e308 + 0.01 * 1e308_f64).sqrt());
    let (_, share) = inverse_upper("a", a.view(), &Damping::default()).unwrap();
    assert_eq!(share, 0.01);
}

#[test]
fn a_solution_that_overflows_is_refused() {
    // A reciprocal of 1e-320 has no f64.
    let a = arr2(&[[1e-320, 0.0], [0.0, 1.0]]);
    let cholesky = Cholesky::factor("a", a.view()).unwrap();
    let error = cholesky.solve(arr2(&[[1.0], [1.0]]).view()).unwrap_err();
    let said = error.to_string();
    let expected = "solution of a linear system: value inf at index 0 is not";
    assert!(said.starts_with(expected), "{said}");
    let said = cholesky.inverse().unwrap_err().to_string();
    let expected = "inverse of a matrix: value inf at index 0 is not";
    assert!(said.starts_with(expected), "{said}");
    // Small enough, and it has one.
    let small = cholesky.solve(arr2(&[[1e-310], [1.0]]).view()).unwrap();
    assert!((small[(0, 0)] / 1e10 - 1.0).abs() < 1e-3);
}

#[test]
fn right_hand_sides_are_checked() {
    let cholesky = Cholesky::factor("a", gram(6, 9, 1).view()).unwrap();
    let error = cholesky.solve(numbers(5, 6, 1).view()).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    let mut b = numbers(6, 4, 1);
    b[(2, 3)] = f64::NAN;
    let error = cholesky.solve(b.view()).unwrap_err().to_string();
    assert!(error.contains("value NaN at index 11"), "{error}");
}

#[test]
fn nothing_has_an_empty_factor() {
    let a = Array2::zeros((0, 0));
    let (cholesky, share) = Cholesky::factor_damped("a", a.view(), &Damping::default()).unwrap();
    assert_eq!((cholesky.dim(), share), (0, 0.01));
    assert_eq!(cholesky.lower().dim(), (0, 0));
    assert_eq!(cholesky.inverse().unwrap().dim(), (0, 0));
    assert_eq!(
        cholesky.solve(Array2::zeros((0, 3)).view()).unwrap().dim(),
        (0, 3)
    );
}

#[test]
fn damping_is_a_share_of_the_mean_diagonal() {
    let a = gram(50, 80, 1);
    let damping = Damping {
        start: 0.25,
        ..Damping::default()
    };
    let (cholesky, share) = Cholesky::factor_damped("a", a.view(), &damping).unwrap();
    assert_eq!(share, 0.25);
    let mean = a.diag().sum() / 50.0;
    let damped = &a + &(identity(50) * (0.25 * mean));
    let lower = cholesky.lower();
    assert!(distance(product(lower, lower.t()).view(), damped.view()) < 1e-12 * mean * 50.0);
    let (upper, share) = inverse_upper("a", a.view(), &damping).unwrap();
    assert_eq!(share, 0.25);
    let inverse = product(upper.t(), upper.view());
    assert!(
        distance(
            product(inverse.view(), damped.view()).view(),
            identity(50).view()
        ) < 1e-12
    );
}

#[test]
fn damping_escalates_until_it_serves_and_says_what_was_tried() {
    // Eigenvalues 3.5 and −1.5, mean of the diagonal 1: more than 1.5 is needed.
    let a = arr2(&[[1.0, 2.5], [2.5, 1.0]]);
    let damping = Damping {
        start: 0.125,
        growth: 2.0,
        limit: 8.0,
    };
    let (cholesky, share) = Cholesky::factor_damped("a", a.view(), &damping).unwrap();
    assert_eq!(share, 2.0);
    assert_eq!(cholesky.lower()[(0, 0)], 3f64.sqrt());
    let (_, share) = inverse_upper("a", a.view(), &damping).unwrap();
    assert_eq!(share, 2.0);

    let damping = Damping {
        limit: 0.75,
        ..damping
    };
    for error in [
        Cholesky::factor_damped("a", a.view(), &damping).unwrap_err(),
        inverse_upper("a", a.view(), &damping).unwrap_err(),
    ] {
        let said = error.to_string();
        let Error::NotPositiveDefinite { tried, .. } = error else {
            panic!("{said}");
        };
        assert_eq!(tried, [0.125, 0.25, 0.5, 0.75]);
        assert!(
            said.ends_with("damped by [0.125, 0.25, 0.5, 0.75] times its mean"),
            "{said}"
        );
    }
    // From 0, by way of the smallest.
    let singular = Array2::ones((3, 3));
    let damping = Damping {
        start: 0.0,
        ..Damping::default()
    };
    let (_, share) = Cholesky::factor_damped("a", singular.view(), &damping).unwrap();
    assert_eq!(share, Damping::AFTER_ZERO);
    let (_, share) = Cholesky::factor_damped("a", identity(3).view(), &damping).unwrap();
    assert_eq!(share, 0.0);
}

#[test]
fn a_dead_column_is_damped_and_leaves_the_others() {
    let mut a = gram(20, 30, 1);
    a.row_mut(7).fill(0.0);
    a.column_mut(7).fill(0.0);
    assert!(Cholesky::factor("a", a.view()).is_err());
    let (cholesky, share) = Cholesky::factor_damped("a", a.view(), &Damping::default()).unwrap();
    assert_eq!(share, 0.01);
    let mut b = numbers(20, 2, 1);
    b.row_mut(7).fill(0.0);
    let x = cholesky.solve(b.view()).unwrap();
    assert!(x.row(7).iter().all(|&x| x == 0.0));
    // Nothing to take a mean of: refused at once.
    let error = Cholesky::factor_damped("a", Array2::zeros((3, 3)).view(), &Damping::default());
    let Error::NotPositiveDefinite { tried, .. } = error.unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(tried, [0.01]);
}

#[test]
fn a_damping_that_makes_no_sense_is_refused() {
    let good = Damping::default();
    for (bad, named) in [
        (
            Damping {
                start: -0.1,
                ..good
            },
            "start",
        ),
        (
            Damping {
                start: f64::NAN,
                ..good
            },
            "start",
        ),
        (
            Damping {
                growth: 1.0,
                ..good
            },
            "growth",
        ),
        (
            Damping {
                growth: f64::INFINITY,
                ..good
            },
            "growth",
        ),
        (
            Damping {
                limit: 0.001,
                ..good
            },
            "limit",
        ),
        (
            Damping {
                limit: f64::NAN,
                ..good
            },
            "limit",
        ),
    ] {
        let a = identity(2);
        for error in [
            Cholesky::factor_damped("a", a.view(), &bad).map(drop),
            inverse_upper("a", a.view(), &bad).map(drop),
        ] {
            let said = error.unwrap_err().to_string();
            assert!(
                said.starts_with(&format!("{named} of the damping")),
                "{said}"
            );
        }
    }
}
