//! Microseconds of sparse products at the shapes that the project is compared at, the least of
//! many runs, beside the dense product of the same run.
//!
//! `cargo run --release -p compress-core --example spmm`; `RAYON_NUM_THREADS` sets the threads.

use std::time::Instant;

use compress_core::kernels::gemm_f32::{Init, PackedB, gemm_packed};
use compress_core::kernels::spmm::{Epilogue, Layout, Sparse, Values, spmm, spmm_rows};
use compress_core::rng;
use ndarray::Array2;

fn main() -> compress_core::Result<()> {
    println!("W·X, 1024x1024 times 1024x128");
    for sparsity in [0.9, 0.95, 0.99] {
        let w = weights(1024, 1024, 1.0 - sparsity);
        let x = random(1024, 128);
        let mut y = Array2::zeros((1024, 128));
        print!("{sparsity:5}");
        for layout in [Layout::Csr, Layout::Bitmask] {
            let w = Sparse::from_dense(layout, 1024, 1024, Values::F32(&w))?;
            let time = least(200, || {
                spmm(&w, x.view(), Epilogue::default(), y.view_mut())
            })?;
            print!("  {layout:?} {time:7.1}");
        }
        println!();
    }
    println!("x·Wᵀ");
    for (n, k) in [(300, 784), (1200, 1200)] {
        for batch in [1, 4, 16, 64, 1024] {
            let x = random(batch, k);
            let mut y = Array2::zeros((batch, n));
            let dense = PackedB::pack(random(k, n).view());
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
