//! Codebooks of 16 and of 256 levels for normal values, optimal and nearly so, on one and on two
//! threads.

#![forbid(unsafe_code)]

use std::hint::black_box;

use compress_core::rng;
use compress_quant::optimal_kmeans::{near_optimal_kmeans, optimal_kmeans};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Nearly normal values: sums of twelve uniform numbers.
fn normal(count: usize) -> Vec<f32> {
    let mut stream = rng::stream(1, "bench.values");
    let mut draw = || (0..12).map(|_| rng::uniform(&mut stream)).sum::<f32>() - 6.0;
    (0..count).map(|_| draw()).collect()
}

fn codebooks(criterion: &mut Criterion) {
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("a pool of threads");
        let mut group = criterion.benchmark_group(format!("kmeans1d/{threads}"));
        for count in [235_200, 4_194_304] {
            let values = normal(count);
            group.throughput(Throughput::Elements(count as u64));
            for levels in [16, 256] {
                group.bench_function(
                    BenchmarkId::new(format!("optimal/{levels}"), count),
                    |bencher| {
                        let run = || {
                            optimal_kmeans("values", black_box(&values), levels).expect("finite")
                        };
                        pool.install(|| bencher.iter(run));
                    },
                );
                group.bench_function(
                    BenchmarkId::new(format!("near/{levels}"), count),
                    |bencher| {
                        let run = || {
                            near_optimal_kmeans("values", black_box(&values), levels)
                                .expect("finite")
                        };
                        pool.install(|| bencher.iter(run));
                    },
                );
            }
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = codebooks
}
criterion_main!(benches);
