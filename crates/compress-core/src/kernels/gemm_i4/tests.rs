//! The specification against plain arithmetic, and every level against the specification.

mod layout;
mod quantized;
mod threads;

use half::f16;
use ndarray::{Array2, ArrayView2, s};
use proptest::prelude::*;

use super::*;
use crate::kernels::block_format::BlockFormat;

/// A reproducible stream of 64-bit numbers.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn matrix(&mut self, rows: usize, cols: usize) -> Array2<f32> {
        Array2::from_shape_simple_fn((rows, cols), || {
            self.unit() * [1.0, 1e-3, 37.0, 0.25][self.next() as usize % 4]
        })
    }

    fn codes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8 & 15).collect()
    }
}

/// All kinds of weights.
const KINDS: [&str; 9] = [
    "symmetric",
    "wide",
    "affine",
    "wide affine",
    "nf4",
    "q8_0",
    "q4_0",
    "q4_k",
    "q6_k",
];

/// The `k` at or below `k` that a kind can have.
fn allowed(kind: &str, k: usize) -> usize {
    match PackedBlocks::FORMATS.iter().find(|f| f.name() == kind) {
        Some(format) => k.next_multiple_of(format.block_len()),
        None => k,
    }
}

/// Weights as whatever they are.
#[derive(Debug)]
enum Weights {
    I4(PackedI4),
    Blocks(PackedBlocks),
}

impl std::ops::Deref for Weights {
    type Target = Panels;

    fn deref(&self) -> &Panels {
        match self {
            Weights::I4(weights) => weights,
            Weights::Blocks(weights) => weights,
        }
    }
}

fn weights(kind: &str, n: usize, k: usize, group: usize, numbers: &mut Numbers) -> Weights {
    if let Some(format) = PackedBlocks::FORMATS.into_iter().find(|f| f.name() == kind) {
        let bytes = blocks(format, n * k / format.block_len(), numbers);
        return Weights::Blocks(PackedBlocks::pack(format, &bytes, n, k).unwrap());
    }
    let codes = numbers.codes(n * k);
    let wide = kind.contains("wide");
    let mut scales = || -> Vec<f32> {
        let scale = |_| match wide {
            true => numbers.unit(),
            false => f16::from_f32(numbers.unit()).to_f32(),
        };
        (0..n * k.div_ceil(group)).map(scale).collect()
    };
    let (scales, minimums) = (scales(), scales());
    let packed = match kind {
        "nf4" => PackedI4::codebook(&codes, &scales, &NF4, n, k, group),
        "affine" | "wide affine" => PackedI4::affine(&codes, &scales, &minimums, n, k, group),
        _ => PackedI4::symmetric(&codes, &scales, n, k, group),
    };
    Weights::I4(packed.unwrap())
}

/// Random blocks whose scales are moderate.
fn blocks(format: BlockFormat, count: usize, numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..count {
        let mut block: Vec<u8> = (0..format.block_bytes())
            .map(|_| numbers.next() as u8)
            .collect();
        let mut half = || f16::from_f32(numbers.unit()).to_le_bytes();
        match format {
            BlockFormat::Q6_K => block[208..].copy_from_slice(&half()),
            _ => block[..2].copy_from_slice(&half()),
        }
        if format == BlockFormat::Q4_K {
            block[2..4].copy_from_slice(&half());
        }
        bytes.extend(block);
    }
    bytes
}

fn product(
    isa: Isa,
    x: ArrayView2<'_, f32>,
    weights: &Panels,
    bias: Option<&[f32]>,
    activations: Activations,
) -> Array2<f32> {
    let mut y = Array2::from_elem((x.nrows(), weights.dim().0), 7.0);
    let mut scratch = Scratch::new();
    gemm_into_at(
        isa,
        x,
        weights,
        bias,
        activations,
        &mut scratch,
        y.view_mut(),
    )
    .unwrap();
    y
}

/// Equal bits, except that a NaN equals any other.
fn assert_same(found: &Array2<f32>, expected: &Array2<f32>, what: &dyn Fn() -> String) {
    assert_eq!(found.dim(), expected.dim());
    for (at, &e) in expected.indexed_iter() {
        let f = found[at];
        let same = f.to_bits() == e.to_bits() || (f.is_nan() && e.is_nan());
        assert!(same, "{} at {at:?}: found {f:e}, expected {e:e}", what());
    }
}

/// Every level gives what the specification says.
fn check_levels(x: ArrayView2<'_, f32>, weights: &Panels, bias: Option<&[f32]>, name: &str) {
    for activations in [Activations::F32, Activations::I8] {
        let expected = product(Isa::Scalar, x, weights, bias, activations);
        for isa in Isa::available().skip(1) {
            let found = product(isa, x, weights, bias, activations);
            let what = || format!("{name} {isa:?} {activations:?} {:?}x{:?}", x.dim(), weights);
            assert_same(&found, &expected, &what);
        }
    }
}

/// The two specifications once more, from codes that were never packed.
#[test]
fn the_specification_is_what_it_says() {
    let (m, n, k, group) = (3, 5, 200, 64);
    let mut numbers = Numbers(2);
    let (x, codes) = (numbers.matrix(m, k), numbers.codes(n * k));
    let scales = numbers.matrix(n, 4);
    let bias = numbers.matrix(1, n).into_raw_vec_and_offset().0;
    let packed = PackedI4::symmetric(&codes, scales.as_slice().unwrap(), n, k, group).unwrap();
    let floats = product(
        Isa::Scalar,
        x.view(),
        &packed,
        Some(&bias),
        Activations::F32,
    );
    let integers = product(Isa::Scalar, x.view(), &packed, Some(&bias), Activations::I8);
    for i in 0..m {
        for j in 0..n {
            let (mut by_floats, mut by_integers) = (bias[j], bias[j]);
            for g in 0..k.div_ceil(group) {
                let mut chain = 0.0f32;
                for at in g * group..k.min(g * group + group) {
                    chain = (f32::from(codes[j * k + at]) - 8.0).mul_add(x[(i, at)], chain);
                }
                by_floats = scales[(j, g)].mul_add(chain, by_floats);
            }
            for block in 0..k.div_ceil(32) {
                let part = block * 32..k.min(block * 32 + 32);
                let values = x.slice(s![i, part.clone()]).to_vec();
                let largest = values.iter().fold(0.0f32, |max, v| max.max(v.abs()));
                let mut dot = 0;
                for (at, value) in part.zip(values) {
                    let rounded = (value * (127.0 / largest)).round_ties_even() as i32;
                    dot += (i32::from(codes[j * k + at]) - 8) * rounded;
                }
                let scale = scales[(j, block / 2)] * (largest / 127.0);
                by_integers = (dot as f32).mul_add(scale, by_integers);
            }
            assert_eq!(floats[(i, j)], by_floats);
            assert_eq!(integers[(i, j)], by_integers);
        }
    }
}

/// For all kinds: near the product with the dequantized weights.
#[test]
fn products_are_near_those_of_dequantized_weights() {
    let mut numbers = Numbers(3);
    for kind in KINDS {
        let weights = weights(kind, 19, 512, 64, &mut numbers);
        let x = numbers.matrix(5, 512);
        let w = weights.dequantize();
        // The error of 8 bits is bounded by that of an activation, half a step of its group.
        for (activations, error) in [(Activations::F32, 1e-6), (Activations::I8, 0.006)] {
            let y = product(Isa::Scalar, x.view(), &weights, None, activations);
            for ((i, j), &y) in y.indexed_iter() {
                let (mut exact, mut size) = (0.0f64, 0.0f64);
                for (block, row) in x.row(i).to_vec().chunks(256).enumerate() {
                    let largest = row.iter().fold(0.0f32, |max, v| max.max(v.abs()));
                    for (at, &value) in row.iter().enumerate() {
                        let w = f64::from(w[(j, block * 256 + at)]);
                        exact += w * f64::from(value);
                        size += (w * f64::from(largest)).abs();
                    }
                }
                let off = (f64::from(y) - exact).abs() / size;
                assert!(
                    off < error,
                    "{kind} {activations:?}: {y} for {exact}, {off}"
                );
            }
        }
    }
}

#[test]
fn levels_agree_around_the_edges_of_tiles() {
    let mut numbers = Numbers(4);
    for kind in KINDS {
        for (n, k, group) in [
            (1, 1, 32),
            (7, 31, 32),
            (8, 32, 32),
            (9, 33, 32),
            (15, 256, 64),
            (16, 257, 64),
            (17, 300, 128),
            (33, 520, 96),
        ] {
            let weights = weights(kind, n, allowed(kind, k), group, &mut numbers);
            let bias = numbers.matrix(1, n).into_raw_vec_and_offset().0;
            let rows = numbers.matrix(67, allowed(kind, k));
            for m in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 35, 64, 67] {
                let bias = (m % 2 == 0).then_some(&bias[..]);
                check_levels(rows.slice(s![..m, ..]), &weights, bias, kind);
            }
        }
    }
}

#[test]
fn levels_agree_on_extremes() {
    let mut numbers = Numbers(5);
    for kind in KINDS {
        let k = allowed(kind, 300);
        let weights = weights(kind, 18, k, 32, &mut numbers);
        let largest = f32::MAX;
        for value in [
            0.0,
            -0.0,
            1.0,
            -1.0,
            f32::MIN_POSITIVE,
            1e-40,
            3e-37,
            4e-37,
            largest,
            -largest,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
        ] {
            let mut x = Array2::from_elem((3, k), value);
            check_levels(x.view(), &weights, None, kind);
            x.slice_mut(s![1.., ..]).assign(&numbers.matrix(2, k));
            x[(1, k / 2)] = value;
            check_levels(x.view(), &weights, None, kind);
            if !value.is_finite() {
                let y = product(Isa::Scalar, x.view(), &weights, None, Activations::I8);
                assert!(y.slice(s![1, ..]).iter().all(|y| y.is_nan()));
                assert!(y.slice(s![2, ..]).iter().all(|y| y.is_finite()));
            }
        }
    }
}

/// The largest sums that the integers can get.
#[test]
fn levels_agree_where_integers_are_largest() {
    for format in PackedBlocks::FORMATS {
        for fill in [0x00, 0x7f, 0x80, 0xff] {
            let mut bytes = vec![fill; 17 * format.row_bytes(512).unwrap()];
            for block in bytes.chunks_exact_mut(format.block_bytes()) {
                let at = if format == BlockFormat::Q6_K { 208 } else { 0 };
                block[at..at + 2].copy_from_slice(&f16::from_f32(0.5).to_le_bytes());
                if format == BlockFormat::Q4_K {
                    block[2..4].copy_from_slice(&f16::from_f32(-2.0).to_le_bytes());
                }
            }
            let weights = PackedBlocks::pack(format, &bytes, 17, 512).unwrap();
            for value in [1.0, -1.0] {
                let x = Array2::from_elem((17, 512), value);
                check_levels(x.view(), &weights, None, format.name());
            }
        }
    }
}

/// Scales that are NaN, infinite, huge and subnormal.
#[test]
fn levels_agree_on_any_scale() {
    let mut numbers = Numbers(6);
    let x = numbers.matrix(3, 512);
    for format in PackedBlocks::FORMATS {
        for bits in [
            0x0001u16, 0x8001, 0x03ff, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00,
        ] {
            let mut bytes = blocks(format, 17 * 512 / format.block_len(), &mut numbers);
            let at = if format == BlockFormat::Q6_K { 208 } else { 0 };
            bytes[at..at + 2].copy_from_slice(&bits.to_le_bytes());
            let weights = PackedBlocks::pack(format, &bytes, 17, 512).unwrap();
            check_levels(x.view(), &weights, None, format.name());
        }
    }
    let codes = numbers.codes(4 * 32);
    let scales = [f32::NAN, f32::MAX, 1e-45, f32::INFINITY];
    let weights = PackedI4::affine(&codes, &scales, &scales, 4, 32, 32).unwrap();
    check_levels(x.slice(s![.., ..32]), &weights, None, "affine");
}

#[test]
fn a_scratch_serves_all_and_stays_as_it_is() {
    let mut numbers = Numbers(8);
    for kind in KINDS {
        let weights = weights(kind, 20, 512, 32, &mut numbers);
        let mut scratch = Scratch::for_rows(&weights, 9).unwrap();
        let sizes = |scratch: &Scratch| {
            let Scratch {
                codes,
                scales,
                terms,
            } = scratch;
            (codes.capacity(), scales.capacity(), terms.capacity())
        };
        let before = sizes(&scratch);
        for (m, activations) in [
            (9, Activations::I8),
            (9, Activations::F32),
            (3, Activations::I8),
            (5, Activations::F32),
        ] {
            let x = numbers.matrix(m, 512);
            let expected = product(Isa::Scalar, x.view(), &weights, None, activations);
            let mut y = Array2::zeros((m, 20));
            gemm_into(
                x.view(),
                &weights,
                None,
                activations,
                &mut scratch,
                y.view_mut(),
            )
            .unwrap();
            assert_same(&y, &expected, &|| kind.into());
        }
        assert_eq!(sizes(&scratch), before);
    }
}

#[test]
fn the_default_is_floats_for_a_codebook_alone() {
    let mut numbers = Numbers(9);
    for kind in KINDS {
        let weights = weights(kind, 3, 256, 32, &mut numbers);
        let x = numbers.matrix(2, 256);
        let activations = if kind == "nf4" {
            Activations::F32
        } else {
            Activations::I8
        };
        assert_eq!(Activations::default_of(&weights), activations);
        let mut y = Array2::zeros((2, 3));
        gemm(x.view(), &weights, None, y.view_mut()).unwrap();
        assert_eq!(
            y,
            product(Isa::Scalar, x.view(), &weights, None, activations)
        );
    }
}

#[test]
fn strided_rows_are_taken_and_strided_values_refused() {
    let mut numbers = Numbers(10);
    let weights = weights("q4_0", 5, 64, 32, &mut numbers);
    let all = numbers.matrix(20, 80);
    check_levels(
        all.slice(s![..;2, 3..67]),
        &weights,
        None,
        "every other row",
    );
    check_levels(
        all.slice(s![..;-1, 3..67]),
        &weights,
        None,
        "rows from the last on",
    );
    let mut y = Array2::from_elem((20, 5), 7.0);
    let columns = numbers.matrix(64, 20);
    let error = gemm(columns.t(), &weights, None, y.view_mut()).unwrap_err();
    assert!(error.to_string().contains("x of a product"), "{error}");
    let mut columns = Array2::from_elem((5, 20), 7.0);
    let x = all.slice(s![.., ..64]);
    let error = gemm(x, &weights, None, columns.view_mut().reversed_axes()).unwrap_err();
    assert!(error.to_string().contains("y of a product"), "{error}");
    assert!(gemm(all.view(), &weights, None, y.view_mut()).is_err());
    assert!(gemm(x, &weights, Some(&[0.0; 4]), y.view_mut()).is_err());
    assert!(gemm(x.slice(s![..3, ..]), &weights, None, y.view_mut()).is_err());
    assert!(y.iter().chain(&columns).all(|&y| y == 7.0));
    for isa in Isa::ALL {
        assert_eq!(
            gemm_at(isa, x, &weights, None, y.view_mut()).is_ok(),
            isa.is_available()
        );
    }
}

#[test]
fn a_product_over_nothing_is_its_bias() {
    let weights = PackedI4::symmetric(&[], &[], 5, 0, 32).unwrap();
    let x = Array2::zeros((3, 0));
    for isa in Isa::available() {
        for activations in [Activations::F32, Activations::I8] {
            let y = product(isa, x.view(), &weights, Some(&[2.5; 5]), activations);
            assert!(y.iter().all(|&y| y == 2.5));
            let y = product(isa, x.view(), &weights, None, activations);
            assert!(y.iter().all(|&y| y.to_bits() == 0));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_shape(
        kind in 0..KINDS.len(), m in 0usize..40, n in 0usize..70, k in 0usize..700,
        group in 1usize..6, seed: u64,
    ) {
        let (kind, mut numbers) = (KINDS[kind], Numbers(seed));
        let k = allowed(kind, k);
        let weights = weights(kind, n, k, 32 * group, &mut numbers);
        check_levels(numbers.matrix(m, k).view(), &weights, None, kind);
    }
}
