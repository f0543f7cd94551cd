//! Against ggml's algorithms, written down value by value, and bytes that its own package gives.

use proptest::prelude::*;

use super::*;

mod reference;

const WRITTEN: [BlockFormat; 3] = [BlockFormat::Q8_0, BlockFormat::Q4_0, BlockFormat::Q4_K];

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

/// Values at all levels are those of the first, and the bytes those of the definition where
/// there is one.
fn check(x: &[f32]) {
    for format in WRITTEN {
        let mut expected = vec![0; format.row_bytes(x.len()).unwrap()];
        quantize_into_at(Isa::Scalar, format, "w", x, &mut expected).unwrap();
        match format {
            BlockFormat::Q8_0 => assert_eq!(expected, reference::q8_0(x)),
            BlockFormat::Q4_0 => assert_eq!(expected, reference::q4_0(x)),
            _ => {}
        }
        let values = reference::dequantize(format, &expected);
        for isa in Isa::available() {
            let mut bytes = vec![0; expected.len()];
            quantize_into_at(isa, format, "w", x, &mut bytes).unwrap();
            assert!(bytes == expected, "{format:?} at {}", isa.name());
            let mut got = vec![f32::NAN; x.len()];
            dequantize_into_at(isa, format, "w", &bytes, &mut got).unwrap();
            assert!(got == values, "{format:?} at {}", isa.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn means_what_it_says(x in proptest::collection::vec(weight(), 768), scale in -40i32..12) {
        let factor = f32::from_bits(((127 + scale) as u32) << 23);
        check(&x.iter().map(|x| x * factor).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_have_values(bytes in proptest::collection::vec(any::<u8>(), 420)) {
        for format in BlockFormat::ALL {
            let bytes = &bytes[..420 / format.block_bytes() * format.block_bytes()];
            let expected = reference::dequantize(format, bytes);
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
    let mut x = [0.0; 256];
    x[77] = -5e5;
    check(&x);
    check(&[]);
}

#[test]
fn leaves_of_threads_join() {
    let x = normal(2 * LEAF + 768, 3);
    check(&x);
}

#[test]
fn what_does_not_fit_is_refused() {
    for format in WRITTEN {
        let len = 2 * format.block_len();
        let mut x = vec![1.0; len];
        assert!(quantize(format, "w", &x[1..]).is_err());
        let bytes = quantize(format, "w", &x).unwrap();
        assert!(dequantize(format, "w", &bytes[1..]).is_err());
        assert!(quantize_into(format, "w", &x, &mut vec![0; bytes.len() + 1]).is_err());
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            x[len - 7] = bad;
            let error = quantize(format, "w", &x).unwrap_err();
            assert!(matches!(error, Error::NonFinite { index, .. } if index == len - 7));
        }
        x[len - 7] = -1e30;
        let text = quantize(format, "w", &x).unwrap_err().to_string();
        assert!(text.contains("largest magnitude of a block of w"), "{text}");
    }
    assert!(quantize(BlockFormat::Q6_K, "w", &[0.0; 256]).is_err());
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

/// Weighted and plain squared error.
fn errors(x: &[f32], bytes: &[u8]) -> (f64, f64) {
    let got = reference::dequantize(BlockFormat::Q4_K, bytes);
    let (mut weighted, mut plain) = (0.0, 0.0);
    for (x, got) in x.chunks(32).zip(got.chunks(32)) {
        let weights = reference::weights(x);
        for ((x, got), w) in x.iter().zip(got).zip(weights) {
            let e = f64::from(x - got);
            plain += e * e;
            weighted += f64::from(w) * e * e;
        }
    }
    (weighted, plain)
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
        let (weighted, plain) = errors(&x, &quantize(BlockFormat::Q4_K, "w", &x).unwrap());
        let (their_weighted, their_plain) = errors(&x, &reference::q4_k(&x));
        assert!(
            weighted <= their_weighted,
            "{name}: {weighted} > {their_weighted}"
        );
        assert!(plain <= their_plain, "{name}: {plain} > {their_plain}");
        // Not by refusing to be compared.
        assert!(
            their_weighted < 1.1 * weighted,
            "{name}: {weighted} {their_weighted}"
        );
    }
}
