//! When the sparse product is the faster one, as `cargo run --release -p compress-core --example
//! break_even` found.

/// The density below which [`spmm_rows`](super::spmm_rows) with
/// [`Layout::Csr`](super::layout::Layout::Csr) is faster than the dense product, from each batch on.
const BREAK_EVEN: [(usize, f64); 7] = [
    (1, 0.1),
    (2, 0.075),
    (3, 0.055),
    (4, 0.085),
    (16, 0.15),
    (64, 0.32),
    (256, 0.40),
];

/// Whether `x · wᵀ` is faster as a sparse product with the `kept` values of W `[n, k]` in
/// [`Layout::Csr`](super::layout::Layout::Csr) than as a dense one by
/// [`gemm_packed`](crate::kernels::gemm_f32::gemm_packed), for `batch` rows of `x`.
///
/// The machine does not matter, so the same model runs the same way everywhere. The table has the
/// density at which both take the same time, measured on a Zen 5 (AVX-512). This function uses
/// about the lowest of each row, since a wrong choice then costs least:
///
/// | batch | 300×784, 1 thread | 2 threads | 1200×1200, 1 thread | 2 threads | taken |
/// | --- | --- | --- | --- | --- | --- |
/// | 1 | 0.10 | 0.10 to 0.13 | 0.15 to 0.17 | 0.15 to 0.17 | 0.10 |
/// | 4 | 0.09 | 0.09 | 0.10 | 0.09 | 0.085 |
/// | 16 | 0.32 | 0.15 | 0.35 | 0.32 | 0.15 |
/// | 64 | 0.39 | 0.32 | 0.44 | 0.41 | 0.32 |
/// | 1024 | 0.42 | 0.40 | 0.42 | 0.42 | 0.40 |
///
/// Few rows gain the least: the dense product takes as long for 4 as for 1, while the sparse one
/// fills a vector of columns only from 16 on.
pub fn prefers_sparse(n: usize, k: usize, kept: usize, batch: usize) -> bool {
    let from = |(least, _): &&(usize, f64)| *least <= batch;
    let Some((_, density)) = BREAK_EVEN.iter().rev().find(from) else {
        return false;
    };
    (kept as f64) < density * (n as f64) * (k as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_once_from_sparse_to_dense() {
        for batch in [1, 2, 3, 4, 15, 16, 63, 64, 255, 256, 100_000] {
            let sparse = |kept| prefers_sparse(100, 100, kept, batch);
            assert!(sparse(0) && sparse(500) && !sparse(4_000) && !sparse(10_000));
            assert!((0..10_000).all(|kept| sparse(kept) || !sparse(kept + 1)));
        }
        assert!(prefers_sparse(100, 100, 999, 1) && !prefers_sparse(100, 100, 1_001, 1));
        assert!(prefers_sparse(100, 100, 3_999, 1024));
        assert!(!prefers_sparse(100, 100, 0, 0) && !prefers_sparse(0, 9, 0, 1));
    }
}
