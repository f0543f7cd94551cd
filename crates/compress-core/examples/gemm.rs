//! GFLOP/s of `x · wᵀ` at the shapes that the project is compared at: the best of many runs.
//!
//! `cargo run --release -p compress-core --example gemm`; `RAYON_NUM_THREADS` sets the threads.
//! `cargo peers gemm_f32` runs the same shapes beside other libraries.

use std::time::Instant;

use compress_core::kernels::gemm_f32::{Init, gemm};
use compress_core::rng;
use ndarray::Array2;

const SHAPES: [[usize; 3]; 3] = [[1024, 1024, 1024], [128, 784, 300], [128, 1200, 1200]];

fn main() -> compress_core::Result<()> {
    for [m, k, n] in SHAPES {
        let x = random("x", m, k);
        let w = random("w", n, k);
        let mut y = Array2::zeros((m, n));
        let mut best = f64::INFINITY;
        for _ in 0..60 {
            let started = Instant::now();
            gemm(x.view(), w.t(), Init::Zero, y.view_mut())?;
            best = best.min(started.elapsed().as_secs_f64());
        }
        let flops = 2.0 * (m * k * n) as f64;
        println!("{m}x{k}x{n} {:.1}", flops / best / 1e9);
    }
    Ok(())
}

fn random(name: &str, rows: usize, columns: usize) -> Array2<f32> {
    let mut stream = rng::stream(1, name);
    Array2::from_shape_simple_fn((rows, columns), || rng::uniform(&mut stream) - 0.5)
}
