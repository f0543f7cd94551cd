//! What is factored, solved and inverted is that of the matrix, within rounding.

use ndarray::{Array2, ArrayView2};

use super::super::{Cholesky, Damping, inverse_upper};
use super::{distance, gram, identity, largest, numbers, product};

/// Backward errors are a few units of the last place for each element of a chain.
fn check(a: ArrayView2<'_, f64>, condition: f64) {
    let n = a.nrows();
    let unit = f64::EPSILON * n as f64;
    let cholesky = Cholesky::factor("a", a).unwrap();
    let lower = cholesky.lower();
    for i in 0..n {
        assert!(lower[(i, i)] > 0.0);
        assert!(lower.row(i).iter().skip(i + 1).all(|v| v.to_bits() == 0));
    }
    let error = distance(product(lower, lower.t()).view(), a);
    assert!(error <= unit * largest(a), "L·Lᵀ is off by {error:e}");

    let b = numbers(n, 7, 9);
    let x = cholesky.solve(b.view()).unwrap();
    let error = distance(product(a, x.view()).view(), b.view());
    let bound = 4.0 * unit * n as f64 * largest(a) * largest(x.view());
    assert!(error <= bound, "A·X is off by {error:e}, {bound:e} allowed");

    let inverse = cholesky.inverse().unwrap();
    assert!(
        inverse
            .indexed_iter()
            .all(|((i, j), v)| v.to_bits() == inverse[(j, i)].to_bits())
    );
    let error = distance(product(a, inverse.view()).view(), identity(n).view());
    assert!(error <= 4.0 * unit * condition, "A·A⁻¹ is off by {error:e}");

    let (upper, _) = inverse_upper("a", a, &Damping::NONE).unwrap();
    for i in 0..n {
        assert!(upper[(i, i)] > 0.0);
        assert!(upper.row(i).iter().take(i).all(|v| *v == 0.0));
    }
    let error = distance(product(upper.t(), upper.view()).view(), inverse.view());
    let bound = 4.0 * unit * condition * largest(inverse.view());
    assert!(
        error <= bound,
        "Uᵀ·U is off by {error:e}, {bound:e} allowed"
    );
}

#[test]
fn random_gram_matrices() {
    for n in [1, 5, 40, 150, 300] {
        check(gram(n, 2 * n, 1).view(), 1e4 * n as f64);
        // Half of the rank is the damping's.
        check(gram(n, n / 2, 2).view(), 1e5 * n as f64);
    }
}

#[test]
fn hilbert_matrices() {
    for (n, condition) in [(3, 1e3), (6, 2e7), (9, 1e12), (11, 1e15)] {
        let hilbert = Array2::from_shape_fn((n, n), |(i, j)| 1.0 / (i + j + 1) as f64);
        check(hilbert.view(), condition);
    }
}

#[test]
fn known_answers() {
    let a = ndarray::arr2(&[
        [4.0, 12.0, -16.0],
        [12.0, 37.0, -43.0],
        [-16.0, -43.0, 98.0],
    ]);
    let cholesky = Cholesky::factor("a", a.view()).unwrap();
    let lower = ndarray::arr2(&[[2.0, 0.0, 0.0], [6.0, 1.0, 0.0], [-8.0, 5.0, 3.0]]);
    assert_eq!(cholesky.lower(), lower);
    let inverse = ndarray::arr2(&[
        [1777.0 / 36.0, -122.0 / 9.0, 19.0 / 9.0],
        [-122.0 / 9.0, 34.0 / 9.0, -5.0 / 9.0],
        [19.0 / 9.0, -5.0 / 9.0, 1.0 / 9.0],
    ]);
    assert!(distance(cholesky.inverse().unwrap().view(), inverse.view()) < 1e-12);
}
