//! The integer product at 1024³ and at the layers of 784-1200-1200-10, on one and on two threads:
//! sums alone, and a layer with its scales, bias and ReLU after its inputs were rounded.
//!
//! Throughput is in multiplications and additions: `Gelem/s` is to be read as GOP/s.

#![forbid(unsafe_code)]

use std::hint::black_box;

use compress_core::kernels::gemm_i8::{
    Epilogue, PackedI8, QuantizedRows, gemm_dequantize, gemm_i8,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;

const SHAPES: [(usize, usize, usize); 5] = [
    (1024, 1024, 1024),
    (1, 784, 1200),
    (1, 1200, 1200),
    (64, 784, 1200),
    (64, 1200, 1200),
];

fn codes(rows: usize, cols: usize) -> Array2<i8> {
    Array2::from_shape_fn((rows, cols), |(i, j)| ((i * 31 + j * 17) % 251) as u8 as i8)
}

fn products(criterion: &mut Criterion) {
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("a pool of threads");
        let mut group = criterion.benchmark_group(format!("gemm_i8/{threads}"));
        for (m, k, n) in SHAPES {
            let name = format!("{m}x{k}x{n}");
            group.throughput(Throughput::Elements((2 * m * k * n) as u64));
            let weights = PackedI8::pack(codes(k, n).view()).expect("room for the panels");
            let a = codes(m, k);
            let mut sums = Array2::zeros((m, n));
            group.bench_function(BenchmarkId::new("Sums", &name), |bencher| {
                let mut run = || gemm_i8(black_box(a.view()), &weights, sums.view_mut());
                pool.install(|| bencher.iter(&mut run));
            });
            let x = a.mapv(f32::from);
            let mut y = Array2::zeros((m, n));
            let (scales, bias) = (vec![0.01; n], vec![1.0; n]);
            let epilogue = Epilogue {
                scales: &scales,
                bias: Some(&bias),
                relu: true,
            };
            let mut rows = QuantizedRows::new();
            group.bench_function(BenchmarkId::new("Layer", &name), |bencher| {
                let mut run = || {
                    rows.quantize(black_box(x.view()))?;
                    gemm_dequantize(&rows, &weights, epilogue, y.view_mut())
                };
                pool.install(|| bencher.iter(&mut run));
            });
        }
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
