//! Quantization of 4096×4096 weights and back, on one and on two threads, and copying them,
//! which is the least that any of it could take.
//!
//! Throughput is that of the f32 side, 67 MB.

#![forbid(unsafe_code)]

use std::hint::black_box;

use compress_core::codec::Granularity;
use compress_core::kernels::block_format::BlockFormat;
use compress_core::kernels::quantize::{CodeType, Quantized, Sets, blocks};
use compress_core::kernels::quantize::{dequantize_into, quantize, quantize_into};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;

const SIDE: usize = 4096;

const LINEAR: [(&str, Granularity, CodeType); 6] = [
    ("int8_tensor", Granularity::Tensor, CodeType::I8),
    ("int8_channel", Granularity::Channel, CodeType::I8),
    ("uint8_channel", Granularity::Channel, CodeType::U8),
    ("int8_g128", Granularity::Group(128), CodeType::I8),
    ("int4_g128", Granularity::Group(128), CodeType::I4),
    ("uint4_g128", Granularity::Group(128), CodeType::U4),
];

/// Irregular, between −0.5 and 0.5.
fn weights() -> Vec<f32> {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761).rotate_left(11) ^ (i >> 3);
    let weight = |i: u32| (hash(i) >> 8) as f32 / (1 << 24) as f32 - 0.5;
    (0..(SIDE * SIDE) as u32).map(weight).collect()
}

fn kernels(criterion: &mut Criterion) {
    let x = weights();
    let mut y = x.clone();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("a pool of threads");
        let mut group = criterion.benchmark_group(format!("quantize/{threads}"));
        group.sample_size(20);
        group.throughput(Throughput::Bytes(4 * (SIDE * SIDE) as u64));
        group.bench_function("copy", |bencher| {
            let mut copy = || {
                let blocks = y.par_chunks_mut(1 << 16).zip(x.par_chunks(1 << 16));
                blocks.for_each(|(y, x)| y.copy_from_slice(black_box(x)));
            };
            pool.install(|| bencher.iter(&mut copy));
        });
        for (name, granularity, code_type) in LINEAR {
            let sets = Sets::new("w", &[SIDE, SIDE], granularity).expect("a shape");
            let mut quantized = quantize(&sets, &x, code_type).expect("finite weights");
            let Quantized {
                codes,
                scales,
                zero_points,
            } = &mut quantized;
            group.bench_function(format!("quantize/{name}"), |bencher| {
                let mut run = || {
                    quantize_into(
                        &sets,
                        black_box(&x),
                        codes.as_codes_mut(),
                        scales,
                        zero_points,
                    )
                };
                pool.install(|| bencher.iter(&mut run));
            });
            group.bench_function(format!("dequantize/{name}"), |bencher| {
                let codes = codes.as_codes();
                let mut run =
                    || dequantize_into(&sets, black_box(codes), scales, zero_points, &mut y);
                pool.install(|| bencher.iter(&mut run));
            });
        }
        for format in BlockFormat::ALL {
            let mut bytes = vec![0; SIDE * SIDE / format.block_len() * format.block_bytes()];
            if format != BlockFormat::Q6_K {
                group.bench_function(format!("quantize/{}", format.name()), |bencher| {
                    let mut run = || blocks::quantize_into(format, "w", black_box(&x), &mut bytes);
                    pool.install(|| bencher.iter(&mut run));
                });
            }
            group.bench_function(format!("dequantize/{}", format.name()), |bencher| {
                let mut run = || blocks::dequantize_into(format, "w", black_box(&bytes), &mut y);
                pool.install(|| bencher.iter(&mut run));
            });
        }
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
