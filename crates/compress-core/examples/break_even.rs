//! Where sparse products become faster than the dense one: microseconds of `x·Wᵀ` at several
//! densities and batches, the least of many runs.
//!
//! `cargo run --release -p compress-core --example break_even`; `RAYON_NUM_THREADS` sets the
//! threads.

use std::time::Instant;

use compress_core::kernels::gemm_f32::{Init, PackedB, gemm_packed};
use compress_core::kernels::spmm::{Epilogue, Layout, Sparse, Values, spmm_rows};
use compress_core::rng;
use ndarray::Array2;

fn main() -> compress_core::Result<()> {
    for (n, k) in [(300, 784), (1200, 1200)] {
        for batch in [1, 4, 16, 64, 1024] {
            let x = random(batch, k);
            let mut y = Array2::zeros((batch, n));
            let dense = PackedB::pack(random(k, n).view())?;
            let times = if batch > 64 { 20 } else { 200 };
            let time = least(times, || {
                gemm_packed(x.view(), &dense, Init::Zero, y.view_mut())
            })?;
            print!("{n}x{k} batch {batch:4}: dense {time:7.1} |");
            for density in [0.5, 0.3, 0.2, 0.1, 0.05, 0.01] {
                let w = weights(n, k, density);
                let w = Sparse::from_dense(Layout::Csr, n, k, Values::F32(&w))?;
                let time = least(times, || {
                    spmm_rows(&w, x.view(), Epilogue::default(), y.view_mut())
                })?;
                print!(" {density}: {time:.1}");
            }
            print!(" | int8");
            for density in [0.1, 0.05] {
                let w = weights(n, k, density);
                let codes: Vec<i8> = w.iter().map(|w| (w * 80.0) as i8).collect();
                let scales = vec![0.0125; n];
                for layout in [Layout::Csr, Layout::Bitmask] {
                    let values = Values::I8 {
                        codes: &codes,
                        scales: &scales,
                    };
                    let w = Sparse::from_dense(layout, n, k, values)?;
                    let time = least(times, || {
                        spmm_rows(&w, x.view(), Epilogue::default(), y.view_mut())
                    })?;
                    print!(" {layout:?} {density}: {time:.1}");
                }
            }
            print!(" |");
            let mut structured = weights(n, k, 1.0);
            for (i, v) in structured.iter_mut().enumerate() {
                *v = if i % 4 < 2 { *v } else { 0.0 };
            }
            let w = Sparse::from_dense(Layout::TwoOfFour, n, k, Values::F32(&structured))?;
            let time = least(times, || {
                spmm_rows(&w, x.view(), Epilogue::default(), y.view_mut())
            })?;
            print!(" 2:4 {time:.1}");
            let mut structured = weights(n, k, 1.0);
            for (i, v) in structured.iter_mut().enumerate() {
                let (row, column) = (i / k, i % k);
                *v = if (row / 16 * 7 + column) % 4 == 0 {
                    *v
                } else {
                    0.0
                };
            }
            let w = Sparse::from_dense(Layout::Blocks, n, k, Values::F32(&structured))?;
            let time = least(times, || {
                spmm_rows(&w, x.view(), Epilogue::default(), y.view_mut())
            })?;
            println!(" blocks 0.25 {time:.1}");
        }
    }
    Ok(())
}

fn weights(n: usize, k: usize, density: f32) -> Vec<f32> {
    let mut stream = rng::stream(1, "w");
    let mut keep = rng::stream(1, "mask");
    let mut draw = |_| {
        let value = rng::uniform(&mut stream) + 0.5;
        if rng::uniform(&mut keep) < density {
            value
        } else {
            0.0
        }
    };
    (0..n * k).map(&mut draw).collect()
}

fn random(rows: usize, columns: usize) -> Array2<f32> {
    let mut stream = rng::stream(1, "x");
    Array2::from_shape_simple_fn((rows, columns), || rng::uniform(&mut stream) - 0.5)
}

/// The least of several times, in microseconds.
fn least(
    times: usize,
    mut run: impl FnMut() -> compress_core::Result<()>,
) -> compress_core::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..times {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(best)
}
