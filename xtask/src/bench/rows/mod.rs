//! The rows, a file for each family. Each file has a function for each kind of row and a `rows`
//! that names them; their names are what a comparison with peers goes by.

mod cholesky;
mod elements;
mod gemm_f32;
mod gemm_i4;
mod gemm_i8;
mod infer;
mod kmeans1d;
mod prune;
mod quantize;
mod sparse_epoch;
mod spmm;
mod stream;
mod train_epoch;

use compress_core::rng;
use ndarray::Array2;

use super::row::Row;

/// The rows of each family.
const FAMILIES: &[fn() -> Vec<Row>] = &[
    gemm_f32::rows,
    gemm_i8::rows,
    infer::rows,
    gemm_i4::rows,
    spmm::rows,
    prune::rows,
    quantize::rows,
    kmeans1d::rows,
    cholesky::rows,
    train_epoch::rows,
    sparse_epoch::rows,
    elements::rows,
    stream::rows,
];

/// All rows, in order.
pub(crate) fn all() -> Vec<Row> {
    FAMILIES.iter().flat_map(|rows| rows()).collect()
}

/// Rows and columns of a large layer's weights.
const SIDE: usize = 4096;

/// Nearly normal values, each the sum of twelve uniform ones: what weights look like. Drawn by
/// splitmix64 and rounded once, so that a peer in another language can have the same.
fn weights(count: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) >> 40
    };
    let mut sum = || (0..12).map(|_| draw()).sum::<u64>() as f64 / f64::from(1 << 24);
    (0..count).map(|_| ((sum() - 6.0) * 0.05) as f32).collect()
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

#[cfg(test)]
mod tests {
    use super::weights;

    /// As `weights` of the Python peers gives them: both are to see the same values.
    #[test]
    fn weights_are_the_peers() {
        let expected = [0.071_217_38, -0.030_945_23, -0.029_538_354];
        assert_eq!(weights(3), expected);
    }
}
