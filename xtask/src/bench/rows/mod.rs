//! The rows, a file for each family. Each file has a function for each kind of row and a `rows`
//! that names them; their names are what a comparison with peers goes by.

mod gemm_f32;
mod infer;
mod kmeans1d;
mod prune;
mod train_epoch;

use compress_core::rng;
use ndarray::Array2;

use super::row::Row;

/// The rows of each family.
const FAMILIES: &[fn() -> Vec<Row>] = &[
    gemm_f32::rows,
    infer::rows,
    prune::rows,
    kmeans1d::rows,
    train_epoch::rows,
];

/// All rows, in order.
pub(crate) fn all() -> Vec<Row> {
    FAMILIES.iter().flat_map(|rows| rows()).collect()
}

/// Nearly normal values, each the sum of twelve uniform ones: what weights look like.
fn weights(count: usize) -> Vec<f32> {
    let mut stream = rng::stream(1, "bench.weights");
    let mut draw = || (0..12).map(|_| rng::uniform(&mut stream)).sum::<f32>() - 6.0;
    (0..count).map(|_| draw() * 0.05).collect()
}

/// Uniform in −0.5..0.5.
fn uniform(name: &str, rows: usize, columns: usize) -> Array2<f32> {
    let mut stream = rng::stream(1, name);
    Array2::from_shape_simple_fn((rows, columns), || rng::uniform(&mut stream) - 0.5)
}

/// `784-300-100-10`.
fn dashed(widths: &[usize]) -> String {
    let widths: Vec<_> = widths.iter().map(usize::to_string).collect();
    widths.join("-")
}

/// The networks of the rows.
const NETWORKS: [&[usize]; 2] = [&[784, 300, 100, 10], &[784, 1200, 1200, 10]];

/// Weights and biases of a network.
fn parameters(widths: &[usize]) -> usize {
    widths.windows(2).map(|w| (w[0] + 1) * w[1]).sum()
}
