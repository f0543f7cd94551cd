//! The f32 matrix product at the shapes of training and at 1024³, on one and on two threads.
//!
//! Throughput is in floating point operations: `Gelem/s` is to be read as GFLOP/s.

#![forbid(unsafe_code)]

use std::hint::black_box;

use compress_core::kernels::gemm_f32::{Init, PackedB, gemm, gemm_packed};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{Array2, ArrayView2};

/// Which of a layer's three products: what is transposed.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `x · w.t()`.
    Forward,
    /// `dy · w`.
    Input,
    /// `dy.t() · x`.
    Weight,
}

const SHAPES: [(Form, usize, usize, usize); 13] = [
    (Form::Forward, 1024, 1024, 1024),
    (Form::Forward, 128, 784, 300),
    (Form::Forward, 128, 300, 100),
    (Form::Forward, 128, 100, 10),
    (Form::Forward, 128, 1200, 1200),
    (Form::Forward, 256, 784, 300),
    (Form::Forward, 1, 784, 300),
    (Form::Input, 1024, 1024, 1024),
    (Form::Input, 128, 1200, 1200),
    (Form::Input, 128, 100, 300),
    (Form::Weight, 300, 128, 784),
    (Form::Weight, 1200, 128, 784),
    (Form::Weight, 1200, 128, 1200),
];

fn matrix(rows: usize, cols: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        ((i * 31 + j * 17) % 97) as f32 / 97.0 - 0.5
    })
}

fn products(criterion: &mut Criterion) {
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("a pool of threads");
        let mut group = criterion.benchmark_group(format!("gemm_f32/{threads}"));
        for (form, m, k, n) in SHAPES {
            let (x, y) = match form {
                Form::Forward => (matrix(m, k), matrix(n, k)),
                Form::Input => (matrix(m, k), matrix(k, n)),
                Form::Weight => (matrix(k, m), matrix(k, n)),
            };
            let (a, b): (ArrayView2<'_, f32>, ArrayView2<'_, f32>) = match form {
                Form::Forward => (x.view(), y.t()),
                Form::Input => (x.view(), y.view()),
                Form::Weight => (x.t(), y.view()),
            };
            let mut c = Array2::zeros((m, n));
            group.throughput(Throughput::Elements((2 * m * k * n) as u64));
            let name = format!("{m}x{k}x{n}");
            group.bench_function(BenchmarkId::new(format!("{form:?}"), &name), |bencher| {
                pool.install(|| bencher.iter(|| gemm(black_box(a), b, Init::Zero, c.view_mut())));
            });
            if let Form::Forward = form {
                let b = PackedB::pack(b).expect("room for the panels");
                group.bench_function(BenchmarkId::new("Packed", &name), |bencher| {
                    let mut run = || gemm_packed(black_box(a), &b, Init::Zero, c.view_mut());
                    pool.install(|| bencher.iter(&mut run));
                });
            }
        }
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
