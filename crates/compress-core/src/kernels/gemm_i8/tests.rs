//! Every level against the plainest arithmetic.

use ndarray::{Array2, s};
use proptest::prelude::*;

use super::rows::STRIP;
use super::tile::{MOST_ROWS, SUMS, Sums, Tile};
use super::*;
use crate::kernels::lines::LINE;

/// Numbers that look random, from the whole range.
fn bytes(rows: usize, cols: usize, seed: u64) -> Array2<i8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    Array2::from_shape_simple_fn((rows, cols), || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as i8
    })
}

fn floats(rows: usize, cols: usize, seed: u64) -> Array2<f32> {
    let fine = bytes(rows, cols, seed + 100);
    let mut x = bytes(rows, cols, seed).mapv(f32::from);
    x.zip_mut_with(&fine, |x, &y| *x = *x / 31.0 + f32::from(y) / 4096.0);
    x
}

fn naive(a: impl Fn(usize, usize) -> i64, b: &Array2<i8>, m: usize) -> Array2<i32> {
    Array2::from_shape_fn((m, b.ncols()), |(i, j)| {
        (0..b.nrows())
            .map(|k| a(i, k) * i64::from(b[(k, j)]))
            .sum::<i64>() as i32
    })
}

fn check_integers(a: &Array2<i8>, b: &Array2<i8>) {
    let (m, n) = (a.nrows(), b.ncols());
    let packed = PackedI8::pack(b.view()).unwrap();
    assert_eq!(packed.dim(), b.dim());
    let signed = naive(|i, k| i64::from(a[(i, k)]), b, m);
    let unsigned = naive(|i, k| i64::from(a[(i, k)] as u8), b, m);
    for isa in Isa::available() {
        let what = format!("{isa:?} {m}x{}x{n}", a.ncols());
        let mut c = Array2::from_elem((m, n), i32::MIN);
        gemm_i8_at(isa, a.view(), &packed, c.view_mut()).unwrap();
        assert_eq!(c, signed, "{what}");
        let mut c = Array2::from_elem((m, n), i32::MIN);
        gemm_u8_at(isa, a.mapv(|a| a as u8).view(), &packed, c.view_mut()).unwrap();
        assert_eq!(c, unsigned, "unsigned {what}");
    }
}

#[test]
fn every_edge_of_the_tiles() {
    for m in 0..=34 {
        for n in (0..=35).chain([63, 64, 65]) {
            let k = [0, 1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 100][(m * 37 + n) % 13];
            check_integers(&bytes(m, k, 1), &bytes(k, n, 2));
        }
    }
}

#[test]
fn every_edge_of_the_tasks() {
    for (m, k, n) in [
        (223, 130, 129),
        (224, 200, 128),
        (225, 784, 300),
        (449, 33, 513),
        (1, 1024, 4100),
        (2, 4096, 1040),
    ] {
        check_integers(&bytes(m, k, 3), &bytes(k, n, 4));
    }
}

#[test]
fn the_extremes_do_not_saturate() {
    for (x, y) in [
        (i8::MIN, i8::MIN),
        (i8::MIN, i8::MAX),
        (-1, i8::MIN),
        (-1, -1),
        (0, 1),
    ] {
        check_integers(
            &Array2::from_elem((15, 1030), x),
            &Array2::from_elem((1030, 33), y),
        );
    }
}

#[test]
fn strided_operands() {
    let (a, b) = (bytes(40, 31, 5), bytes(33, 62, 6));
    let (a, b) = (a.t(), b.slice(s![.., ..;2]));
    let b = b.t();
    let (a, b) = (a.slice(s![.., ..31]), b.slice(s![.., ..]));
    let mut found = Array2::zeros((31, 33));
    gemm_i8(a, &PackedI8::pack(b).unwrap(), found.view_mut()).unwrap();
    let expected = naive(|i, k| i64::from(a[(i, k)]), &b.to_owned(), 31);
    assert_eq!(found, expected);
}

/// What [`Epilogue`] says, written out.
fn layer(x: &QuantizedRows, b: &Array2<i8>, epilogue: &Epilogue<'_>) -> Array2<f32> {
    let sums = naive(
        |i, k| i64::from(x.row(i)[k]) - i64::from(x.zero_points()[i]),
        b,
        x.dim().0,
    );
    Array2::from_shape_fn(sums.dim(), |(i, j)| {
        let bias = epilogue.bias.map_or(0.0, |bias| bias[j]);
        let y = (sums[(i, j)] as f32).mul_add(x.scales()[i] * epilogue.scales[j], bias);
        if epilogue.relu { y.max(0.0) } else { y }
    })
}

#[test]
fn the_epilogue_is_the_same_arithmetic_at_every_level() {
    for (m, k, n) in [(1, 9, 10), (14, 64, 32), (33, 100, 47), (230, 300, 100)] {
        let b = bytes(k, n, 7);
        let packed = PackedI8::pack(b.view()).unwrap();
        let scales: Vec<f32> = (0..n).map(|j| 1e-3 + j as f32 * 1.7e-5).collect();
        let bias: Vec<f32> = (0..n).map(|j| 1.5 - 0.1 * j as f32).collect();
        for (bias, relu) in [
            (None, false),
            (Some(&bias[..]), false),
            (Some(&bias[..]), true),
        ] {
            let epilogue = Epilogue {
                scales: &scales,
                bias,
                relu,
            };
            let mut x = QuantizedRows::new();
            x.quantize(floats(m, k, 8).view()).unwrap();
            let expected = layer(&x, &b, &epilogue);
            let mut coded = QuantizedRows::new();
            coded.quantize_with(expected.view(), 0.37, 19).unwrap();
            for isa in Isa::available() {
                let mut y = Array2::from_elem((m, n), f32::NAN);
                gemm_dequantize_at(isa, &x, &packed, epilogue, y.view_mut()).unwrap();
                assert_eq!(y, expected, "{isa:?} {m}x{k}x{n}");
                let mut codes = QuantizedRows::new();
                gemm_requantize_at(isa, &x, &packed, epilogue, (0.37, 19), &mut codes).unwrap();
                assert_eq!(codes.dim(), (m, n));
                assert_eq!(codes.scales(), coded.scales());
                assert_eq!(codes.zero_points(), coded.zero_points());
                (0..m).for_each(|i| assert_eq!(codes.row(i), coded.row(i), "{isa:?} row {i}"));
            }
        }
    }
}

#[test]
fn scales_whose_product_leaves_f32_do_not_spoil_what_does_not() {
    let b = Array2::from_shape_fn((64, 40), |(_, j)| if j == 1 { 0 } else { 100 });
    let packed = PackedI8::pack(b.view()).unwrap();
    // All inputs, the scale and the bias of all columns, and what they give but for column 1.
    for (x, scale, bias, product) in [
        (1e38, 1e30, 3.0, f32::INFINITY),
        (1e-25, 1e-20, 0.0, 6.4e-42),
        (1e38, 1e-40, 3.0, 67.0),
    ] {
        let inputs = Array2::from_elem((5, 64), x);
        let mut x = QuantizedRows::default();
        x.quantize(inputs.view()).unwrap();
        let biases = vec![bias; 40];
        let scales = vec![scale; 40];
        let epilogue = Epilogue {
            scales: &scales,
            bias: Some(&biases),
            relu: false,
        };
        for isa in Isa::available() {
            let mut y = Array2::zeros((5, 40));
            gemm_dequantize_at(isa, &x, &packed, epilogue, y.view_mut()).unwrap();
            for ((_, j), &y) in y.indexed_iter() {
                let expected = if j == 1 { bias } else { product };
                let close = (y - expected).abs() <= expected * 1e-2;
                assert!(y == expected || close, "{isa:?}: {y} for {expected}");
            }
        }
    }
}

#[test]
fn quantized_rows_are_within_half_a_step_and_zero_is_exact() {
    let mut x = floats(40, 77, 9);
    x.row_mut(1).fill(0.0);
    x.row_mut(2).mapv_inplace(f32::abs);
    x.row_mut(3).mapv_inplace(|x| -x.abs());
    x.row_mut(4).fill(f32::MAX);
    x.row_mut(5).fill(f32::MIN_POSITIVE / 2.0);
    x[(6, 0)] = f32::MAX;
    x[(6, 1)] = f32::MIN;
    let mut first: Option<QuantizedRows> = None;
    for isa in Isa::available() {
        let mut rows = QuantizedRows::new();
        rows.quantize_at(isa, x.view()).unwrap();
        for (i, row) in x.rows().into_iter().enumerate() {
            let (scale, zero) = (rows.scales()[i], rows.zero_points()[i]);
            assert!(scale.is_finite() && (0..=255).contains(&zero));
            for (&code, &x) in rows.row(i).iter().zip(row) {
                let back = f64::from(scale) * f64::from(i32::from(code) - zero);
                let error = (back - f64::from(x)).abs();
                // The zero point's own rounding may push an end by half a step more.
                let bound = f64::from(scale) * 1.001 + 1e-36;
                assert!(error <= bound, "row {i}: {x} became {back}");
            }
        }
        if let Some(first) = &first {
            (0..40).for_each(|i| assert_eq!(rows.row(i), first.row(i)));
            assert_eq!(rows.scales(), first.scales());
            assert_eq!(rows.zero_points(), first.zero_points());
        } else {
            first = Some(rows);
        }
    }
}

#[test]
fn a_non_finite_activation_is_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = floats(3, 70, 10);
        x[(2, 65)] = bad;
        let mut rows = QuantizedRows::new();
        let error = rows.quantize(x.view()).unwrap_err().to_string();
        assert!(error.contains("row 2") && error.contains("65"), "{error}");
        assert!(rows.quantize_with(x.view(), 1.0, 0).is_err());
    }
}

#[test]
fn bad_shapes_and_scales_are_refused() {
    let w = PackedI8::pack(bytes(4, 3, 1).view()).unwrap();
    let a = bytes(2, 4, 2);
    let mut c = Array2::zeros((2, 3));
    assert!(gemm_i8(a.slice(s![.., ..3]), &w, c.view_mut()).is_err());
    assert!(gemm_i8(a.slice(s![..1, ..]), &w, c.view_mut()).is_err());
    let mut wide = Array2::zeros((2, 6));
    assert!(gemm_i8(a.view(), &w, wide.slice_mut(s![.., ..;2])).is_err());
    let mut x = QuantizedRows::new();
    x.quantize(floats(2, 4, 3).view()).unwrap();
    let mut y = Array2::zeros((2, 3));
    let short = Epilogue {
        scales: &[1.0; 2],
        bias: None,
        relu: false,
    };
    assert!(gemm_dequantize(&x, &w, short, y.view_mut()).is_err());
    let bias = Epilogue {
        scales: &[1.0; 3],
        bias: Some(&[0.0; 4]),
        ..short
    };
    assert!(gemm_dequantize(&x, &w, bias, y.view_mut()).is_err());
    let good = Epilogue { bias: None, ..bias };
    let mut codes = QuantizedRows::new();
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-45] {
        assert!(gemm_requantize(&x, &w, good, (scale, 0), &mut codes).is_err());
        assert!(codes.quantize_with(y.view(), scale, 0).is_err());
    }
}

#[test]
fn threads_do_not_matter() {
    let (a, b) = (bytes(500, 300, 11), bytes(300, 200, 12));
    let packed = PackedI8::pack(b.view()).unwrap();
    let product = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let mut c = Array2::zeros((500, 200));
        pool.unwrap()
            .install(|| gemm_i8(a.view(), &packed, c.view_mut()))
            .unwrap();
        c
    };
    let expected = naive(|i, k| i64::from(a[(i, k)]), &b, 500);
    (1..=3).for_each(|threads| assert_eq!(product(threads), expected));
}

#[test]
fn a_product_may_begin_while_another_waits_for_its_parts() {
    let (a, b) = (bytes(5, 64, 21), bytes(64, 30, 22));
    let packed = PackedI8::pack(b.view()).unwrap();
    let mut c = Array2::zeros((5, 30));
    // What a thread of the pool does that waits, and takes up other work.
    with_codes(|outer| {
        outer.take(a.view(), 0, |a| a as u8).unwrap();
        gemm_i8(a.view(), &packed, c.view_mut()).unwrap();
        assert_eq!(outer.row(4)[63], a[(4, 63)] as u8);
    });
    assert_eq!(c, naive(|i, k| i64::from(a[(i, k)]), &b, 5));
}

#[test]
fn codes_of_what_is_not_a_number_are_the_same_everywhere() {
    let b = bytes(3, 40, 23);
    let packed = PackedI8::pack(b.view()).unwrap();
    let mut x = QuantizedRows::new();
    x.quantize(floats(2, 3, 24).view()).unwrap();
    let scales: Vec<f32> = (0..40)
        .map(|j| [f32::NAN, f32::INFINITY, 1.0, -f32::NAN][j % 4])
        .collect();
    let bias = [f32::NEG_INFINITY; 40];
    for relu in [false, true] {
        let epilogue = Epilogue {
            scales: &scales,
            bias: Some(&bias),
            relu,
        };
        for isa in Isa::available() {
            let mut y = QuantizedRows::new();
            gemm_requantize_at(isa, &x, &packed, epilogue, (0.5, 7), &mut y).unwrap();
            let expected = if relu { 7 } else { 0 };
            for (j, &code) in y.row(1).iter().enumerate() {
                let nan = j % 4 != 2;
                assert!(nan || code == expected, "{isa:?} {j}");
                assert!(!scales[j].is_nan() || code == 0, "{isa:?} {j} {code}");
            }
        }
    }
}

/// AMX's instructions in plain code.
#[cfg(target_arch = "x86_64")]
#[derive(Default)]
struct Emulated([Vec<u8>; 8]);

#[cfg(target_arch = "x86_64")]
impl amx::Tiles for Emulated {
    unsafe fn zero<const T: u8>(&mut self) {
        self.0[T as usize] = vec![0; STRIP * LINE];
    }

    unsafe fn load<const T: u8>(&mut self, from: *const u8, stride: usize) {
        let rows = (0..STRIP).flat_map(|row| {
            // SAFETY: by the contract of the trait.
            unsafe { std::slice::from_raw_parts(from.add(row * stride), LINE) }
        });
        self.0[T as usize] = rows.copied().collect();
    }

    unsafe fn multiply<const C: u8, const A: u8, const B: u8>(&mut self) {
        let (a, b) = (self.0[A as usize].clone(), self.0[B as usize].clone());
        let sums = self.0[C as usize].as_chunks_mut::<4>().0;
        for (at, sum) in sums.iter_mut().enumerate() {
            let (m, n) = (at / 16, at % 16);
            let products = (0..64).map(|i| {
                let signed = b[i / 4 * LINE + n * 4 + i % 4] as i8;
                i32::from(a[m * LINE + i]) * i32::from(signed)
            });
            let total = i32::from_ne_bytes(*sum).wrapping_add(products.sum());
            *sum = total.to_ne_bytes();
        }
    }

    unsafe fn store<const T: u8>(&mut self, to: *mut u8, stride: usize) {
        for (row, bytes) in self.0[T as usize].chunks_exact(LINE).enumerate() {
            // SAFETY: by the contract of the trait.
            let to = unsafe { std::slice::from_raw_parts_mut(to.add(row * stride), LINE) };
            to.copy_from_slice(bytes);
        }
    }
}

/// The addresses and registers of AMX, on any machine.
#[cfg(target_arch = "x86_64")]
#[test]
fn amx_blocks_with_emulated_instructions() {
    for rows in [1, 8, 15, 16, 17, 31, 32] {
        for n in [5, 16, 17, 32] {
            for k in [1, 63, 64, 65, 300] {
                let (a, b) = (bytes(rows, k, 13), bytes(k, n, 14));
                let packed = PackedI8::pack(b.view()).unwrap();
                let mut x = QuantizedRows::new();
                x.take(a.view(), 0, |a| a as u8).unwrap();
                let panels = packed.panel_count();
                let all = packed.panels(0..panels);
                let mut sums = Sums([[-1; SUMS]; MOST_ROWS]);
                let mut tile = Tile {
                    a: x.readable(0..rows).as_ptr(),
                    a_stride: x.stride(),
                    b: [
                        all.as_ptr(),
                        all[(panels - 1) * packed.panel_bytes()..].as_ptr(),
                    ],
                    panels,
                    rows,
                    k,
                    sums: &mut sums,
                };
                // SAFETY: the tile is as `Tile` says, and nothing is asked of the processor.
                unsafe { amx::blocks(&mut Emulated::default(), &mut tile) };
                let expected = naive(|i, k| i64::from(a[(i, k)] as u8), &b, rows);
                for ((i, j), &sum) in expected.indexed_iter() {
                    assert_eq!(sums.0[i][j], sum, "{rows}x{k}x{n} at {i}, {j}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_shape(m in 0usize..50, k in 0usize..200, n in 0usize..80, seed in 0u64..1000) {
        check_integers(&bytes(m, k, seed), &bytes(k, n, seed + 1));
    }
}
