//! Pruning of 4096×4096 weights, on one and on two threads, and copying them, which is the least
//! that any of it could take.
//!
//! Throughput is that of the weights, 67 MB.

#![forbid(unsafe_code)]

use std::hint::black_box;

use compress_core::kernels::select::{
    NOfM, keep_largest, keep_n_of_m, largest_magnitudes, zero_below, zero_n_of_m, zero_smaller,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;

const SIDE: usize = 4096;

/// Irregular, between −0.5 and 0.5.
fn weights() -> Vec<f32> {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761).rotate_left(11) ^ (i >> 3);
    let weight = |i: u32| (hash(i) >> 8) as f32 / (1 << 24) as f32 - 0.5;
    (0..(SIDE * SIDE) as u32).map(weight).collect()
}

fn kernels(criterion: &mut Criterion) {
    let x = weights();
    let mut y = x.clone();
    let mut keep = vec![vec![false; x.len()]];
    let tenth = x.len() / 10;
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("a pool of threads");
        let mut group = criterion.benchmark_group(format!("select/{threads}"));
        group.sample_size(20);
        group.throughput(Throughput::Bytes(4 * x.len() as u64));
        group.bench_function("copy", |bencher| {
            let mut copy = || {
                let blocks = y.par_chunks_mut(1 << 16).zip(x.par_chunks(1 << 16));
                blocks.for_each(|(y, x)| y.copy_from_slice(black_box(x)));
            };
            pool.install(|| bencher.iter(&mut copy));
        });
        group.bench_function("threshold", |bencher| {
            pool.install(|| bencher.iter(|| zero_below(black_box(&mut y), 0.2)));
        });
        for (n, m) in [(2, 4), (4, 8), (8, 16)] {
            let pattern = NOfM::new(n, m).expect("n of m");
            y.copy_from_slice(&x);
            group.bench_function(format!("{n}_of_{m}/in_place"), |bencher| {
                let mut run = || zero_n_of_m(black_box(&mut y), SIDE, pattern);
                pool.install(|| bencher.iter(&mut run));
            });
            group.bench_function(format!("{n}_of_{m}/mask"), |bencher| {
                let mut run = || keep_n_of_m(black_box(&x), SIDE, pattern, &mut keep[0]);
                pool.install(|| bencher.iter(&mut run));
            });
        }
        group.bench_function("largest_magnitudes/10%", |bencher| {
            pool.install(|| bencher.iter(|| largest_magnitudes(&[black_box(&x)], tenth)));
        });
        let boundary = largest_magnitudes(&[&x], tenth).expect("finite weights");
        group.bench_function("keep_largest/10%", |bencher| {
            let mut run = || keep_largest(&[black_box(&x)], boundary, &mut keep);
            pool.install(|| bencher.iter(&mut run));
        });
        y.copy_from_slice(&x);
        group.bench_function("zero_smaller/10%", |bencher| {
            let mut run = || zero_smaller(&mut [black_box(&mut y)], boundary);
            pool.install(|| bencher.iter(&mut run));
        });
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
