//! Coders in both directions: the adaptive one of sparse matrices of integers, on one thread, and byte
//! planes of floats, on all threads.
//!
//! Throughput is that of symbols, positions of the matrix, zeros too; and of bytes of floats.

#![forbid(unsafe_code)]

use std::hint::black_box;

use compress_format::coding::elements::{self, Layout};
use compress_format::coding::matrix::code_integers;
use compress_format::coding::matrix::geometry::Geometry;
use compress_format::coding::range_coder::{Decoder, Encoder};
use compress_format::coding::reader::Reader;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ROWS: usize = 300;
const SIDE: usize = 28;
const RANGE: (u32, u32) = (15, 15);

/// Codes of which `percent` are not zero.
fn codes(percent: u32) -> Vec<i32> {
    let hash = |i: u32| {
        i.wrapping_mul(2_654_435_761)
            .rotate_left(11)
            .wrapping_mul(0x9e37_79b1)
    };
    let code = |i: u32| {
        let random = hash(i) >> 8;
        let magnitude = 1 + (random >> 8) as i32 % 15;
        match (random % 100 < percent, random & 128 == 0) {
            (false, _) => 0,
            (true, true) => magnitude,
            (true, false) => -magnitude,
        }
    };
    (0..(ROWS * SIDE * SIDE) as u32).map(code).collect()
}

fn encode(geometry: &Geometry, codes: &[i32]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    code_integers(&mut encoder, geometry, &mut codes.to_vec(), |_| RANGE);
    encoder.finish()
}

fn matrices(criterion: &mut Criterion) {
    let Some(geometry) = Geometry::image(SIDE * SIDE, None, SIDE) else {
        return;
    };
    for percent in [1, 5, 50] {
        let codes = codes(percent);
        let bytes = encode(&geometry, &codes);
        let mut decoded = codes.clone();
        let mut group = criterion.benchmark_group(format!("coding, {percent} % of 300x784"));
        group.sample_size(10);
        group.throughput(Throughput::Elements(codes.len() as u64));
        group.bench_function("encode", |bencher| {
            bencher.iter(|| encode(&geometry, black_box(&codes)));
        });
        group.bench_function("decode", |bencher| {
            bencher.iter(|| {
                let mut decoder = Decoder::new(black_box(&bytes));
                code_integers(&mut decoder, &geometry, &mut decoded, |_| RANGE);
            });
        });
        group.finish();
    }
}

/// So many floats about as weights are: sums of uniform numbers.
fn floats(count: u32) -> Vec<f32> {
    let uniform = |i: u32| {
        let mixed = (i ^ i >> 15).wrapping_mul(0x9e37_79b1);
        (mixed ^ mixed >> 13) as f32 / 4e9 - 0.5
    };
    let sum = |i: u32| (0..4).map(|k| uniform(4 * i + k)).sum::<f32>() * 0.05;
    (0..count).map(sum).collect()
}

fn planes(criterion: &mut Criterion) {
    for (name, size) in [("f32", 4), ("bf16", 2)] {
        let Ok(layout) = Layout::floats(size) else {
            return;
        };
        let upper = |value: f32| value.to_le_bytes().into_iter().skip(4 - size);
        let bytes: Vec<u8> = floats(1 << 21).into_iter().flat_map(upper).collect();
        let mut coded = Vec::new();
        if elements::write(&mut coded, &layout, &bytes).is_err() {
            return;
        }
        let mut group = criterion.benchmark_group(format!("coding, planes of {name}"));
        group.sample_size(10);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("encode", |bencher| {
            bencher.iter(|| {
                let mut to = Vec::new();
                elements::write(&mut to, &layout, black_box(&bytes)).map(|()| to)
            });
        });
        group.bench_function("decode", |bencher| {
            bencher.iter(|| elements::read(&mut Reader::new(black_box(&coded), 0)));
        });
        group.finish();
    }
}

criterion_group!(benches, matrices, planes);
criterion_main!(benches);
