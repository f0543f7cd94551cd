//! Sparse times dense at 90, 95 and 99 % zeros, in both forms, on one and on two threads.
//!
//! Throughput is in multiplications and additions that are needed: `Gelem/s` is GFLOP/s.

#![forbid(unsafe_code)]

use std::hint::black_box;

use compress_core::kernels::spmm::{Epilogue, Layout, Sparse, Values, spmm, spmm_rows};
use compress_core::rng;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;

/// Weights of which each is kept with a probability of `density`.
fn weights(layout: Layout, n: usize, k: usize, density: f32) -> Sparse {
    let mut stream = rng::stream(1, "bench.weights");
    let mut draw = || rng::uniform(&mut stream);
    let keep = |(uniform, value): (f32, f32)| if uniform < density { value + 0.5 } else { 0.0 };
    let dense: Vec<f32> = (0..n * k).map(|_| keep((draw(), draw()))).collect();
    Sparse::from_dense(layout, n, k, Values::F32(&dense)).expect("it fits")
}

fn matrix(rows: usize, cols: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        ((i * 31 + j * 17) % 97) as f32 / 97.0 - 0.5
    })
}

fn products(criterion: &mut Criterion) {
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("a pool of threads");
        let mut group = criterion.benchmark_group(format!("spmm/{threads}"));
        for zeros in [90, 95, 99] {
            let density = 1.0 - zeros as f32 / 100.0;
            for layout in [Layout::Csr, Layout::Bitmask] {
                let w = weights(layout, 1024, 1024, density);
                let x = matrix(1024, 128);
                let mut y = Array2::zeros((1024, 128));
                group.throughput(Throughput::Elements((2 * w.kept() * 128) as u64));
                let name =
                    BenchmarkId::new(format!("{layout:?}"), format!("{zeros}/1024x1024x128"));
                group.bench_function(name, |bencher| {
                    let mut run =
                        || spmm(&w, black_box(x.view()), Epilogue::default(), y.view_mut());
                    pool.install(|| bencher.iter(&mut run));
                });
            }
        }
        let w = weights(Layout::Csr, 300, 784, 0.1);
        for batch in [1, 64, 1024] {
            let x = matrix(batch, 784);
            let mut y = Array2::zeros((batch, 300));
            group.throughput(Throughput::Elements((2 * w.kept() * batch) as u64));
            let name = BenchmarkId::new("Rows", format!("90/{batch}x784x300"));
            group.bench_function(name, |bencher| {
                let mut run =
                    || spmm_rows(&w, black_box(x.view()), Epilogue::default(), y.view_mut());
                pool.install(|| bencher.iter(&mut run));
            });
        }
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
