//! The same bits as plain loops, at every level and thread count, however the matrix lies.

use ndarray::{Array2, ArrayView2, ShapeBuilder, s};
use proptest::prelude::*;

use super::super::{Cholesky, Damping, inverse_upper_at};
use super::{gram, identity, numbers};
use crate::isa::Isa;

/// Sizes around those of vectors, tiles, panels, strips and blocks.
const SIZES: [usize; 29] = [
    0, 1, 2, 7, 8, 9, 13, 14, 15, 16, 17, 31, 32, 33, 63, 64, 65, 83, 84, 85, 127, 128, 129, 130,
    200, 255, 256, 257, 345,
];

/// The specification: `L`, one chain for each element.
fn plain_factor(a: ArrayView2<'_, f64>) -> Array2<f64> {
    let n = a.nrows();
    let mut l = Array2::<f64>::zeros((n, n));
    for i in 0..n {
        for j in 0..=i {
            let sum = (0..j).fold(a[(i, j)], |sum, k| (-l[(i, k)]).mul_add(l[(j, k)], sum));
            l[(i, j)] = if i == j {
                sum.sqrt()
            } else {
                sum * (1.0 / l[(j, j)])
            };
        }
    }
    l
}

/// `Y` with `L·Y = B`.
fn plain_forward(l: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut x = b.to_owned();
    for i in 0..l.nrows() {
        for c in 0..b.ncols() {
            let sum = (0..i).fold(b[(i, c)], |sum, k| (-x[(k, c)]).mul_add(l[(i, k)], sum));
            x[(i, c)] = sum * (1.0 / l[(i, i)]);
        }
    }
    x
}

/// `X` with `Lᵀ·X = B`.
fn plain_backward(l: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
    let (n, mut x) = (l.nrows(), b.to_owned());
    for i in (0..n).rev() {
        for c in 0..b.ncols() {
            let later = (i + 1..n).rev();
            let sum = later.fold(b[(i, c)], |sum, k| (-x[(k, c)]).mul_add(l[(k, i)], sum));
            x[(i, c)] = sum * (1.0 / l[(i, i)]);
        }
    }
    x
}

fn plain_solve(l: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
    plain_backward(l, plain_forward(l, b).view())
}

#[track_caller]
fn assert_same(found: ArrayView2<'_, f64>, expected: ArrayView2<'_, f64>, what: &str) {
    assert_eq!(found.dim(), expected.dim(), "{what}");
    for (at, &e) in expected.indexed_iter() {
        let f = found[at];
        assert_eq!(
            f.to_bits(),
            e.to_bits(),
            "{what} at {at:?}: {f:e}, not {e:e}"
        );
    }
}

/// What plain loops find for one matrix.
struct Expected {
    lower: Array2<f64>,
    solved: Array2<f64>,
    inverse: Array2<f64>,
    inverse_upper: Array2<f64>,
}

impl Expected {
    fn of(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Self {
        let n = a.nrows();
        let lower = plain_factor(a);
        let mut inverse = plain_solve(lower.view(), identity(n).view());
        for i in 0..n {
            for j in 0..i {
                inverse[(j, i)] = inverse[(i, j)];
            }
        }
        let back = |m: ArrayView2<'_, f64>| m.slice(s![..;-1, ..;-1]).to_owned();
        // Its upper triangle, turned around, is a lower one.
        let symmetric = Array2::from_shape_fn((n, n), |(i, j)| a[(i.max(j), i.min(j))]);
        let reversed = plain_factor(back(symmetric.view()).view());
        let inverse_upper = back(plain_forward(reversed.view(), identity(n).view()).view());
        Expected {
            solved: plain_solve(lower.view(), b),
            inverse,
            inverse_upper,
            lower,
        }
    }

    fn check(&self, isa: Isa, a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>, what: &str) {
        let what = format!("{isa:?} {} {what}", a.nrows());
        let cholesky = Cholesky::factor_at(isa, "a", a).unwrap();
        assert_eq!(cholesky.dim(), a.nrows());
        assert_same(cholesky.lower(), self.lower.view(), &what);
        assert_same(cholesky.solve(b).unwrap().view(), self.solved.view(), &what);
        assert_same(
            cholesky.inverse().unwrap().view(),
            self.inverse.view(),
            &what,
        );
        let (upper, share) = inverse_upper_at(isa, "a", a, &Damping::NONE).unwrap();
        assert_eq!(share, 0.0);
        assert_same(upper.view(), self.inverse_upper.view(), &what);
    }
}

#[test]
fn plain_loops_at_every_level_and_size() {
    for n in SIZES {
        let a = gram(n, n + 5, 1);
        let b = numbers(n, [0, 1, 3, 14, 17, 90][n % 6], 2);
        let expected = Expected::of(a.view(), b.view());
        for isa in Isa::available() {
            expected.check(isa, a.view(), b.view(), "");
        }
    }
}

#[test]
fn the_same_bits_on_every_number_of_threads() {
    for n in [64, 130, 257, 600] {
        let a = gram(n, 64, 3);
        let b = numbers(n, 200, 4);
        let expected = Expected::of(a.view(), b.view());
        for threads in 1..=3 {
            let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = builder.build().unwrap();
            for isa in Isa::available() {
                let what = format!("on {threads} threads");
                pool.install(|| expected.check(isa, a.view(), b.view(), &what));
            }
        }
    }
}

#[test]
fn only_the_lower_triangle_counts_however_it_lies() {
    for n in [33, 130] {
        let (a, b) = (gram(n, n, 5), numbers(n, 20, 6));
        let expected = Expected::of(a.view(), b.view());
        let mut dirty = a.clone();
        for i in 0..n {
            dirty.slice_mut(s![i, i + 1..]).fill(f64::NAN);
        }
        let mut columns = Array2::zeros((n, n).f());
        columns.assign(&dirty);
        let mut apart = Array2::from_elem((2 * n, 3 * n), f64::NAN);
        apart.slice_mut(s![..;2, 1..;3]).assign(&dirty);
        let mut b_columns = Array2::zeros((n, 20).f());
        b_columns.assign(&b);
        for isa in Isa::available() {
            expected.check(isa, dirty.view(), b_columns.view(), "row-major");
            expected.check(isa, columns.view(), b.view(), "column-major");
            expected.check(isa, apart.slice(s![..;2, 1..;3]), b.view(), "strided");
        }
    }
}

#[test]
fn minus_zero_is_not_lost() {
    let mut a = identity(40);
    for i in 0..40 {
        a.slice_mut(s![i, ..i]).fill(-0.0);
    }
    let b = Array2::from_elem((40, 3), -0.0);
    let expected = Expected::of(a.view(), b.view());
    assert!(expected.lower[(20, 3)].is_sign_negative());
    for isa in Isa::available() {
        expected.check(isa, a.view(), b.view(), "");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_matrix_at_any_level(n in 0usize..150, samples in 0usize..40, sides in 0usize..40,
                               seed in any::<u64>(), exponent in -200i32..200) {
        let scale = 2f64.powi(exponent);
        let a = gram(n, samples, seed).mapv(|v| v * scale);
        let b = numbers(n, sides, !seed);
        let expected = Expected::of(a.view(), b.view());
        for isa in Isa::available() {
            expected.check(isa, a.view(), b.view(), "");
        }
    }
}
