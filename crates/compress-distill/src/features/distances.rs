//! Distances between the samples of a batch, which relations are made of.

use ndarray::Array2;

use super::arrays::rows;

/// The squared distances between the rows of `x`, `[batch, batch]`. Equal rows are at exactly zero.
pub(super) fn squared_distances(x: &Array2<f64>) -> Array2<f64> {
    let batch = x.nrows();
    let mut squares = Array2::zeros((batch, batch));
    for (i, a) in rows(x).enumerate() {
        for (j, b) in rows(x).enumerate().take(i) {
            let square = squared_distance(a, b);
            squares[(i, j)] = square;
            squares[(j, i)] = square;
        }
    }
    squares
}

/// The sum of the squared differences, in eight interleaved lanes.
fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += (a - b) * (a - b);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b));
    lanes.into_iter().chain(rest).sum()
}

/// The gradient with respect to `x`, given that with respect to the squared distance of each two
/// rows, at `[i, j]` and `[j, i]` alike. `x` must have a column.
pub(super) fn by_rows(x: &Array2<f64>, by_square: &Array2<f64>) -> Array2<f64> {
    let mut gradient = Array2::zeros(x.raw_dim());
    let width = x.ncols();
    let out = gradient.as_slice_mut().unwrap_or_default();
    for ((out, x_i), pulls) in out
        .chunks_exact_mut(width)
        .zip(rows(x))
        .zip(rows(by_square))
    {
        // Of Σ 2·g·(x_i − x_j); the differences are exact where rows are near.
        for (x_j, &pull) in rows(x).zip(pulls) {
            if pull != 0.0 {
                add_scaled_difference(2.0 * pull, x_i, x_j, out);
            }
        }
    }
    gradient
}

fn add_scaled_difference(factor: f64, a: &[f64], b: &[f64], y: &mut [f64]) {
    for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
        *y += factor * (a - b);
    }
}

/// The Huber loss of a difference, quadratic up to 1; and its derivative.
pub(super) fn huber(difference: f64) -> (f64, f64) {
    if difference.abs() <= 1.0 {
        (0.5 * difference * difference, difference)
    } else {
        (difference.abs() - 0.5, difference.signum())
    }
}
