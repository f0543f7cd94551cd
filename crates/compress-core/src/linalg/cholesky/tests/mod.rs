//! Against plain loops bit for bit, and against the matrix itself by residuals.

mod bits;
mod failures;
mod residuals;

use ndarray::{Array2, ArrayView2};

/// Numbers in −1..1 that round at every step.
fn numbers(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    })
}

/// The Gram matrix of `samples` random rows of `n` inputs, and a little on the diagonal.
fn gram(n: usize, samples: usize, seed: u64) -> Array2<f64> {
    let x = numbers(samples, n, seed);
    let mut gram = product(x.t(), x.view());
    gram.diag_mut().map_inplace(|d| *d += 0.1);
    gram
}

fn product(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
    Array2::from_shape_fn((a.nrows(), b.ncols()), |(i, j)| {
        (0..a.ncols()).map(|k| a[(i, k)] * b[(k, j)]).sum()
    })
}

fn identity(n: usize) -> Array2<f64> {
    Array2::from_diag_elem(n, 1.0)
}

/// The largest magnitude of a − b.
fn distance(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    let pairs = a.iter().zip(b);
    pairs.fold(0.0, |most, (a, b)| f64::max(most, (a - b).abs()))
}

fn largest(a: ArrayView2<'_, f64>) -> f64 {
    a.iter().fold(0.0, |most, a| f64::max(most, a.abs()))
}
