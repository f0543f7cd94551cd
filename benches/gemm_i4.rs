//! Products with packed weights of 4096 by 4096, of 1 and of 64 rows, on one and on two threads,
//! after what the machine can do at most: reading as many bytes, and multiply-adds of bytes.
//!
//! One row: `GiB/s` of packed weights, to be compared with `read`. More rows: `Gelem/s` is
//! multiply-adds.

#![forbid(unsafe_code)]

use std::hint::black_box;

use compress_core::kernels::block_format::BlockFormat;
use compress_core::kernels::gemm_i4::{
    Activations, NF4, PackedBlocks, PackedI4, Panels, Scratch, gemm_into,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;

const N: usize = 4096;
const K: usize = 4096;

/// Blocks whose bytes vary, with scales that are finite.
fn blocks(format: BlockFormat) -> PackedBlocks {
    let mut bytes: Vec<u8> = (0..N * K / format.block_len() * format.block_bytes())
        .map(|i| (i * 31 % 251) as u8)
        .collect();
    for block in bytes.chunks_exact_mut(format.block_bytes()) {
        let at = if format == BlockFormat::Q6_K { 208 } else { 0 };
        block[at..at + 2].copy_from_slice(&[0x12, 0x1f]);
        if format == BlockFormat::Q4_K {
            block[2..4].copy_from_slice(&[0x12, 0x1f]);
        }
    }
    PackedBlocks::pack(format, &bytes, N, K).expect("the shape of the blocks")
}

/// 4-bit codes in groups of 128.
fn nf4() -> PackedI4 {
    let codes: Vec<u8> = (0..N * K).map(|i| (i * 7 % 16) as u8).collect();
    let scales = vec![0.0123; N * K / 128];
    PackedI4::codebook(&codes, &scales, &NF4, N, K, 128).expect("the shape of the codes")
}

/// Reads all bytes once, as wide and with as little else as safe code can.
fn read(words: &[u64]) -> u64 {
    let mut lanes = [0u64; 16];
    for words in words.chunks_exact(16) {
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane |= word;
        }
    }
    lanes.iter().fold(0, |all, lane| all | lane)
}

fn products(criterion: &mut Criterion) {
    let formats = BlockFormat::ALL.map(|format| (format.name(), blocks(format)));
    let nf4 = nf4();
    let mut all: Vec<(&str, &Panels)> = formats.iter().map(|(name, w)| (*name, &**w)).collect();
    all.push(("nf4", &nf4));
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("a pool of threads");
        let mut group = criterion.benchmark_group(format!("gemm_i4/{N}x{K}/t{threads}"));
        let bytes = all[1].1.packed_bytes();
        let words = vec![1u64; bytes / 8];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function("read", |bencher| {
            let half = words.len() / threads / 64 * 64;
            let (a, b) = words.split_at(half);
            pool.install(|| {
                bencher.iter(|| rayon::join(|| read(black_box(a)), || read(black_box(b))));
            });
        });
        for &(name, weights) in &all {
            for m in [1, 64] {
                for activations in [Activations::I8, Activations::F32] {
                    let x = Array2::from_shape_fn((m, K), |(i, k)| ((i * 5 + k * 3) % 29) as f32);
                    let mut y = Array2::zeros((m, N));
                    let mut scratch = Scratch::for_rows(weights, m).expect("room for the rows");
                    group.throughput(match m {
                        1 => Throughput::Bytes(weights.packed_bytes() as u64),
                        _ => Throughput::Elements((m * N * K) as u64),
                    });
                    let id = BenchmarkId::new(format!("{name}/{activations:?}"), format!("bs{m}"));
                    group.bench_function(id, |bencher| {
                        let x = x.view();
                        let mut run = || {
                            let y = y.view_mut();
                            gemm_into(black_box(x), weights, None, activations, &mut scratch, y)
                        };
                        pool.install(|| bencher.iter(&mut run));
                    });
                }
            }
        }
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
