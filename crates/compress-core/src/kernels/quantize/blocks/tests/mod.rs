//! Against ggml's algorithms, written down value by value, and bytes that its own package gives.

use proptest::prelude::*;

use super::*;

mod reference;

fn weight() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => -1.0f32..1.0,
        1 => Just(0.0),
        1 => Just(-0.0),
        1 => Just(0.5),
        1 => Just(-0.5),
        1 => -100.0f32..100.0,
    ]
}

/// Bytes at all levels are those of the first, and of the definition where there is one.
fn check(x: &[f32]) {
    for format in BlockFormat::ENCODED {
        let bytes = at_all_levels(format, x, None);
        match format {
            BlockFormat::Q8_0 => assert_eq!(bytes, reference::q8_0(x)),
            BlockFormat::Q4_0 => assert_eq!(bytes, reference::whole(x, 4)),
            BlockFormat::Q5_0 => assert_eq!(bytes, reference::whole(x, 5)),
            BlockFormat::Q4_1 => assert_eq!(bytes, reference::affine(x, 4)),
            BlockFormat::Q5_1 => assert_eq!(bytes, reference::affine(x, 5)),
            BlockFormat::Q6_K => check_q6_k(&bytes, x),
            _ => {}
        }
        let importance: Vec<f32> = (0..256).map(|j| (j * 37 % 11) as f32).collect();
        at_all_levels(format, x, Some(&importance));
    }
}

/// The bytes of a format, which are the same at all levels, and so are the values in them.
fn at_all_levels(format: BlockFormat, x: &[f32], importance: Option<&[f32]>) -> Vec<u8> {
    let mut expected = vec![0; format.row_bytes(x.len()).unwrap()];
    quantize_into_at(Isa::Scalar, format, "w", x, importance, &mut expected).unwrap();
    let values = read(format, &expected);
    assert!(values.iter().all(|x| x.is_finite()), "{format:?}");
    for isa in Isa::available() {
        let mut bytes = vec![0; expected.len()];
        quantize_into_at(isa, format, "w", x, importance, &mut bytes).unwrap();
        assert!(bytes == expected, "{format:?} at {}", isa.name());
        let mut got = vec![f32::NAN; x.len()];
        dequantize_into_at(isa, format, "w", &bytes, &mut got).unwrap();
        assert!(got == values, "{format:?} at {}", isa.name());
    }
    expected
}

/// By the definition where it is written down, else by the first level, which
/// `tests/ggml_blocks.rs` compares with ggml.
fn read(format: BlockFormat, bytes: &[u8]) -> Vec<f32> {
    reference::dequantize(format, bytes).unwrap_or_else(|| {
        let mut values = vec![0.0; bytes.len() / format.block_bytes() * format.block_len()];
        dequantize_into_at(Isa::Scalar, format, "w", bytes, &mut values).unwrap();
        values
    })
}

/// Blocks whose scale is a normal half are ggml's, byte for byte.
fn check_q6_k(bytes: &[u8], x: &[f32]) {
    for (block, x) in bytes.chunks(210).zip(x.chunks(256)) {
        let expected = reference::q6_k(x);
        let d = half::read(expected[208], expected[209]).abs();
        if d >= 6.103_515_6e-5 {
            assert_eq!(block, expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn means_what_it_says(x in proptest::collection::vec(weight(), 768), scale in -40i32..10) {
        let factor = f32::from_bits(((127 + scale) as u32) << 23);
        check(&x.iter().map(|x| x * factor).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_have_values(bytes in proptest::collection::vec(any::<u8>(), 420)) {
        for format in BlockFormat::ALL {
            let bytes = &bytes[..420 / format.block_bytes() * format.block_bytes()];
            let expected = read(format, bytes);
            for isa in Isa::available() {
                let mut got = vec![0.0; expected.len()];
                dequantize_into_at(isa, format, "w", bytes, &mut got).unwrap();
                let same = |(a, b): (&f32, &f32)| a == b || a.is_nan() && b.is_nan();
                prop_assert!(got.iter().zip(&expected).all(same), "{format:?}");
            }
        }
    }
}

#[test]
fn special_values() {
    check(&[0.0; 512]);
    check(&[-0.0; 256]);
    check(&[3.0; 256]);
    check(&[-3.0; 256]);
    check(&[f32::from_bits(1); 256]);
    check(&[1e-20; 512]);
    for large in [4.5e5, -5e4] {
        let mut x = [0.0; 256];
        x[77] = large;
        check(&x);
    }
    // Of zeros the first is the smallest value of a block.
    let mut x = [1.0; 256];
    x[100] = -0.0;
    x[101] = 0.0;
    check(&x);
    check(&[]);
}

#[test]
fn leaves_of_threads_join() {
    let x = normal(2 * LEAF + 768, 3);
    check(&x);
}

#[test]
fn rows_have_the_same_importance() {
    let (rows, columns) = (LEAF / 768 + 5, 768);
    let x = normal(rows * columns, 8);
    let importance: Vec<f32> = (0..columns).map(|j| (j * 31 % 97) as f32 * 1e-30).collect();
    for format in BlockFormat::ENCODED {
        let mut bytes = vec![0; format.row_bytes(x.len()).unwrap()];
        quantize_weighted_into(format, "w", &x, &importance, &mut bytes).unwrap();
        let mut row_bytes = vec![0; format.row_bytes(columns).unwrap()];
        for (row, expected) in x.chunks(columns).zip(bytes.chunks(row_bytes.len())) {
            quantize_weighted_into(format, "w", row, &importance, &mut row_bytes).unwrap();
            assert!(row_bytes == expected, "{format:?}");
        }
    }
}

#[test]
fn importance_lowers_the_weighted_error() {
    let x = normal(64 * 256, 9);
    let importance: Vec<f32> = (0..256).map(|j| [1.0, 100.0, 10.0][j % 3]).collect();
    let error = |format, bytes: &[u8]| -> f64 {
        let each = x.iter().zip(read(format, bytes)).enumerate();
        each.map(|(i, (x, got))| f64::from(importance[i % 256]) * f64::from(x - got).powi(2))
            .sum()
    };
    for format in BlockFormat::ENCODED {
        let mut bytes = quantize(format, "w", &x).unwrap();
        let even = error(format, &bytes);
        quantize_weighted_into(format, "w", &x, &importance, &mut bytes).unwrap();
        let weighted = error(format, &bytes);
        match format {
            BlockFormat::Q8_0 => assert!(weighted == even),
            _ => assert!(weighted < 0.97 * even, "{format:?}: {weighted} {even}"),
        }
    }
}

#[test]
fn importance_is_checked() {
    let x = normal(512, 10);
    let mut bytes = vec![0; 2 * 144];
    let mut refused = |importance: &[f32]| {
        let error =
            quantize_weighted_into(BlockFormat::Q4_K, "w", &x, importance, &mut bytes).unwrap_err();
        error.to_string()
    };
    for length in [0, 100, 1024] {
        let said = refused(&vec![1.0; length]);
        assert!(said.contains("number of importance weights of w"), "{said}");
    }
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        let mut importance = [1.0; 256];
        importance[7] = bad;
        assert!(refused(&importance).contains("at least 0"));
    }
    let even = quantize(BlockFormat::Q4_K, "w", &x).unwrap();
    quantize_weighted_into(BlockFormat::Q4_K, "w", &x, &[0.0; 512], &mut bytes).unwrap();
    assert_eq!(bytes, even);
}

#[test]
fn formats_that_are_read_alone_are_refused() {
    let formats = BlockFormat::ALL.into_iter().filter(|f| !f.encodes());
    for format in formats {
        let error = quantize(format, "w", &[1.0; 256]).unwrap_err().to_string();
        assert!(
            error.contains(format.name()) && error.contains("mxfp4"),
            "{error}"
        );
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for format in BlockFormat::ENCODED {
        let len = 2 * format.block_len();
        let mut x = vec![1.0; len];
        assert!(quantize(format, "w", &x[1..]).is_err());
        let bytes = quantize(format, "w", &x).unwrap();
        assert!(dequantize(format, "w", &bytes[1..]).is_err());
        assert!(quantize_into(format, "w", &x, &mut vec![0; bytes.len() + 1]).is_err());
        // 0/0 gives a NaN of negative sign on x86-64.
        let negative = f32::from_bits(0xffc0_0000);
        for bad in [f32::NAN, negative, f32::INFINITY, f32::NEG_INFINITY] {
            for (isa, other) in Isa::available().flat_map(|isa| [1.0, -1.0].map(|x| (isa, x))) {
                x[len - 9] = other;
                x[len - 7] = bad;
                let error = quantize_into_at(isa, format, "w", &x, None, &mut bytes.clone());
                let error = error.unwrap_err();
                assert!(matches!(error, Error::NonFinite { index, .. } if index == len - 7));
            }
        }
        if format == BlockFormat::MXFP4 {
            continue;
        }
        x[len - 7] = -1e30;
        let text = quantize(format, "w", &x).unwrap_err().to_string();
        assert!(text.contains("largest magnitude of a block of w"), "{text}");
    }
}

/// Roughly normal.
fn normal(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count)
        .map(|_| (0..6).map(|_| uniform()).sum())
        .collect()
}

/// The sum of squared errors.
fn error(x: &[f32], bytes: &[u8]) -> f64 {
    let got = read(BlockFormat::Q4_K, bytes);
    let differences = x.iter().zip(got).map(|(x, got)| f64::from(x - got));
    differences.map(|difference| difference * difference).sum()
}

#[test]
fn q4_k_errs_no_more_than_the_search_of_ggml() {
    let gaussian = normal(64 * 256, 1);
    let cubed: Vec<f32> = normal(64 * 256, 2).iter().map(|x| x * x * x).collect();
    let positive: Vec<f32> = normal(64 * 256, 3).iter().map(|x| x.abs() + 0.2).collect();
    let negative: Vec<f32> = positive.iter().map(|x| -x).collect();
    let sparse: Vec<f32> = normal(64 * 256, 4)
        .iter()
        .map(|&x| if x.abs() > 0.9 { x } else { 0.0 })
        .collect();
    for (name, x) in [
        ("gaussian", gaussian),
        ("cubed", cubed),
        ("positive", positive),
        ("negative", negative),
        ("sparse", sparse),
    ] {
        let ours = error(&x, &quantize(BlockFormat::Q4_K, "w", &x).unwrap());
        let theirs = error(&x, &reference::q4_k(&x));
        assert!(ours <= theirs, "{name}: {ours} > {theirs}");
        // Not by refusing to be compared.
        assert!(theirs < 1.5 * ours, "{name}: {ours} {theirs}");
    }
}

/// A scale below the smallest half is stored as that half or as zero: the values lose digits, but
/// what is stored is never further from them than zero is.
#[test]
fn small_values_are_not_stored_as_larger_ones() {
    // These two are ggml's, byte for byte, and it rounds their minimum as coarsely as their scale.
    let coarse = [BlockFormat::Q4_1, BlockFormat::Q5_1];
    let formats = BlockFormat::ENCODED.into_iter();
    for format in formats.filter(|format| !coarse.contains(format)) {
        for exponent in -40..-8 {
            let deviation = 2.0f32.powi(exponent);
            let x: Vec<f32> = normal(8 * 256, 5).iter().map(|x| x * deviation).collect();
            let bytes = quantize(format, "w", &x).unwrap();
            let got = read(format, &bytes);
            let square = |x: f32| f64::from(x) * f64::from(x);
            let energy: f64 = x.iter().map(|&x| square(x)).sum();
            let error: f64 = x.iter().zip(&got).map(|(x, got)| square(x - got)).sum();
            let share = error / energy;
            assert!(share <= 1.0 + 1e-6, "{format:?} at 2^{exponent}: {share}");
        }
    }
    // 256 normal values of deviation 2e-6.
    let deviation: f64 = normal(256, 6).iter().map(|&x| f64::from(x).powi(2)).sum();
    let factor = 2e-6 / (deviation / 256.0).sqrt() as f32;
    let x: Vec<f32> = normal(256, 6).iter().map(|x| x * factor).collect();
    let error = error(&x, &quantize(BlockFormat::Q4_K, "w", &x).unwrap());
    let share = error / (256.0 * 2e-6f64.powi(2));
    assert!(share < 0.15, "{share}");
}

/// What `gguf.quants` of ggml's Python package gives for the same.
#[test]
fn the_bytes_and_values_are_ggmls() {
    let x: Vec<f32> = (0..32)
        .map(|i| ((i * 37) % 101 - 50) as f32 / 16.0)
        .collect();
    let bytes = [
        77, 38, 129, 223, 61, 154, 248, 86, 180, 18, 112, 205, 43, 137, 231, 69, 162, 0, 94, 187,
        25, 119, 213, 51, 144, 238, 76, 170, 8, 102, 195, 33, 127, 220,
    ];
    assert_eq!(quantize(BlockFormat::Q8_0, "w", &x).unwrap(), bytes);
    let bytes = [
        64, 54, 224, 70, 172, 242, 88, 189, 19, 121, 223, 53, 139, 224, 70, 172, 242, 104,
    ];
    assert_eq!(quantize(BlockFormat::Q4_0, "w", &x).unwrap(), bytes);

    // Of ggml's C code.
    let of = |i: usize| ((i * 37) % 101) as f32 - 50.0;
    let x: Vec<f32> = (0..256)
        .map(|i| of(i) / 16.0 * (1 + i / 16 % 5) as f32)
        .collect();
    let bytes = [
        208, 88, 191, 55, 190, 37, 173, 4, 140, 3, 123, 242, 122, 209, 89, 208, 201, 65, 234, 99,
        235, 132, 251, 116, 29, 149, 30, 167, 47, 200, 65, 201, 191, 53, 173, 22, 155, 4, 141, 242,
        107, 224, 105, 209, 71, 207, 56, 189, 26, 146, 44, 132, 13, 133, 237, 119, 255, 87, 208,
        56, 176, 74, 162, 43, 103, 223, 88, 193, 57, 178, 42, 162, 43, 147, 28, 133, 253, 118, 238,
        87, 206, 90, 209, 55, 179, 26, 144, 44, 131, 15, 134, 236, 120, 255, 85, 209, 200, 65, 217,
        98, 234, 99, 252, 132, 13, 150, 30, 167, 63, 184, 64, 201, 209, 42, 179, 11, 131, 44, 100,
        254, 150, 222, 103, 255, 72, 209, 25, 177, 24, 177, 198, 108, 177, 27, 108, 134, 27, 113,
        198, 28, 177, 199, 108, 178, 36, 83, 249, 36, 142, 249, 19, 142, 244, 83, 141, 36, 82, 249,
        36, 142, 212, 162, 9, 212, 126, 9, 163, 126, 20, 163, 73, 212, 174, 9, 215, 126, 200, 99,
        190, 20, 99, 201, 20, 126, 201, 35, 190, 196, 99, 189, 20, 99, 26, 203, 74, 155, 126, 231,
        51, 75, 151, 137, 230, 205, 79, 100, 128, 24, 208, 27,
    ];
    assert_eq!(quantize(BlockFormat::Q6_K, "w", &x).unwrap(), bytes);

    let pattern =
        |len: usize| -> Vec<u8> { (0..len).map(|i| ((i * 73 + 11) % 256) as u8).collect() };
    let every_17th = |format: BlockFormat, bytes: &[u8]| -> Vec<f32> {
        let values = dequantize(format, "w", bytes).unwrap();
        values.into_iter().step_by(17).collect()
    };
    let mut q4_k = pattern(144);
    q4_k[..4].copy_from_slice(&[0x00, 0x34, 0x00, 0x38]);
    let values = [
        119.75, 37.5, 14.0, -14.0, -14.75, -16.5, -5.5, -13.0, -6.25, 9.5, 22.0, 10.0, 75.75,
        -24.0, 5.0, 4.0,
    ];
    assert_eq!(every_17th(BlockFormat::Q4_K, &q4_k), values);
    let mut q6_k = pattern(210);
    q6_k[208..].copy_from_slice(&[0x00, 0x30]);
    let values = [
        -178.875, -70.0, 337.125, 112.5, -4.25, -224.0, 31.75, 141.75, 45.125, -230.0, 125.125,
        -67.5, -34.375, -400.0, -41.25, 9.0,
    ];
    assert_eq!(every_17th(BlockFormat::Q6_K, &q6_k), values);
}
