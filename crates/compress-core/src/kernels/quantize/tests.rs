//! Against the definition, value by value.

use proptest::prelude::*;

use super::part::SEGMENT;
use super::*;
use crate::codec::Granularity;

/// The definition of [`encode_into`] for one value.
fn code_of(x: f32, scale: f32, zero: i32, (low, high): (i32, i32)) -> i32 {
    ((x / scale).round_ties_even() as i64 + i64::from(zero)).clamp(low.into(), high.into()) as i32
}

/// Codes one by one, whatever their type.
fn unpacked(codes: &CodeBuffer, sets: &Sets) -> Vec<i32> {
    let halves = |bytes: &[u8], signed: bool| {
        let rows = bytes.chunks(sets.columns.div_ceil(2).max(1));
        rows.flat_map(|row| {
            (0..sets.columns).map(move |i| {
                let half = i32::from(row[i / 2] >> (i % 2 * 4) & 15);
                if signed && half > 7 { half - 16 } else { half }
            })
        })
        .collect()
    };
    match codes {
        CodeBuffer::I8(c) => c.iter().map(|&c| c.into()).collect(),
        CodeBuffer::U8(c) => c.iter().map(|&c| c.into()).collect(),
        CodeBuffer::I4(c) => halves(c, true),
        CodeBuffer::U4(c) => halves(c, false),
    }
}

/// Checks everything for one tensor, at all levels.
fn check(x: &[f32], shape: &[usize], granularity: Granularity) {
    let sets = Sets::new("w", shape, granularity).unwrap();
    for code_type in CodeType::ALL {
        let range = code_type.range();
        let mut scales = vec![1.0; sets.scales()];
        let mut zeros = vec![0; sets.zeros(code_type.is_symmetric())];
        let mut expected = vec![0; x.len()];
        let mut decoded = vec![0.0; x.len()];
        for (i, at) in granularity.ranges(shape).enumerate() {
            let values = &x[at.clone()];
            if code_type.is_symmetric() {
                let most = values.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                scales[i] = scale_of(most.into(), range.1);
            } else {
                let low = values.iter().fold(0.0f32, |m, &x| m.min(x));
                let high = values.iter().fold(0.0f32, |m, &x| m.max(x));
                (scales[i], zeros[i]) = scale_and_zero(low, high, range.1);
            }
            let zero = zeros.get(i).copied().unwrap_or(0);
            for at in at {
                expected[at] = code_of(x[at], scales[i], zero, range);
                decoded[at] = scales[i] * (expected[at] - zero) as f32;
            }
        }
        let name = format!("{code_type:?} {shape:?} {granularity:?}");
        for isa in Isa::available() {
            let mut codes = CodeBuffer::zeroed(code_type, sets.codes(code_type));
            let (mut s, mut z) = (vec![0.0; scales.len()], vec![9; zeros.len()]);
            quantize_into_at(isa, &sets, x, codes.as_codes_mut(), &mut s, &mut z).unwrap();
            assert_eq!((&s, &z), (&scales, &zeros), "{name} at {}", isa.name());
            assert!(
                unpacked(&codes, &sets) == expected,
                "{name} at {}",
                isa.name()
            );
            let mut given = CodeBuffer::zeroed(code_type, sets.codes(code_type));
            encode_into_at(isa, &sets, x, &s, &z, given.as_codes_mut()).unwrap();
            assert!(given == codes, "{name} at {}", isa.name());
            let mut values = vec![f32::NAN; x.len()];
            dequantize_into_at(isa, &sets, codes.as_codes(), &s, &z, &mut values).unwrap();
            assert!(values == decoded, "{name} at {}", isa.name());
            let mut wide = vec![0; x.len()];
            let codes = CodesMut::I16Within(&mut wide, range);
            encode_into_at(isa, &sets, x, &s, &z, codes).unwrap();
            let same = wide
                .iter()
                .map(|&code| i32::from(code))
                .eq(expected.iter().copied());
            assert!(same, "{name} at {}", isa.name());
        }
        let allocated = quantize(&sets, x, code_type).unwrap();
        assert_eq!(allocated.scales, scales);
        assert!(unpacked(&allocated.codes, &sets) == expected);
    }
}

fn weight() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -1.0f32..1.0,
        1 => Just(0.0),
        1 => Just(-0.0),
        1 => (1u32..100).prop_map(f32::from_bits),
        1 => Just(f32::MAX),
        1 => any::<u32>().prop_map(|b| f32::from_bits(b & 0xbf7f_ffff)),
    ]
}

fn random(count: usize) -> Vec<f32> {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761).rotate_left(11) as i32;
    (0..count as u32)
        .map(|i| (hash(i) >> 8) as f32 * 1e-7)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn means_what_it_says(
        (rows, columns, values) in (0usize..6, 0usize..70).prop_flat_map(|(r, c)| {
            (Just(r), Just(c), proptest::collection::vec(weight(), r * c))
        }),
        group in 1u32..40,
    ) {
        let shape = [rows, columns];
        for granularity in [Granularity::Tensor, Granularity::Channel, Granularity::Group(group)] {
            check(&values, &shape, granularity);
        }
    }
}

#[test]
fn pieces_of_threads_and_caches_join() {
    // Rows and sets around the sizes of segments and leaves, whole and with a rest.
    for (rows, columns) in [
        (3, SEGMENT + 1),
        (1, LEAF + 3),
        (2, 2 * LEAF),
        (70_000, 2),
        (9, 9_999),
    ] {
        let x = random(rows * columns);
        for granularity in [
            Granularity::Tensor,
            Granularity::Channel,
            Granularity::Group(32),
            Granularity::Group(37),
            Granularity::Group(SEGMENT as u32 + 1),
            Granularity::Group(LEAF as u32),
            Granularity::Group(LEAF as u32 + 1),
        ] {
            check(&x, &[rows, columns], granularity);
        }
    }
    check(&random(100), &[100], Granularity::Channel);
    check(&[0.0; 12], &[3, 4], Granularity::Channel);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let x = random(1 << 18);
    let sets = Sets::new("w", &[512, 512], Granularity::Group(128)).unwrap();
    let expected = quantize(&sets, &x, CodeType::U4).unwrap();
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let got = pool.install(|| quantize(&sets, &x, CodeType::U4)).unwrap();
        assert!(got == expected);
    }
}

#[test]
fn names_what_is_not_finite() {
    for (rows, columns) in [(4, 100), (2, LEAF + 1)] {
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = random(rows * columns);
            let at = columns + 50;
            x[at] = bad;
            x[at + 40] = bad;
            for granularity in [
                Granularity::Tensor,
                Granularity::Channel,
                Granularity::Group(32),
            ] {
                let sets = Sets::new("w", &[rows, columns], granularity).unwrap();
                for code_type in CodeType::ALL {
                    let error = quantize(&sets, &x, code_type).unwrap_err();
                    assert!(matches!(error, Error::NonFinite { index, .. } if index == at));
                    let scales = vec![0.01; sets.scales()];
                    let zeros = vec![3; sets.zeros(code_type.is_symmetric())];
                    match encode_to(&sets, &x, &scales, &zeros, code_type) {
                        Ok(codes) => {
                            let (low, high) = code_type.range();
                            let end = if bad > 0.0 { high } else { low };
                            assert!(bad.is_infinite() && unpacked(&codes, &sets)[at] == end);
                        }
                        Err(error) => {
                            assert!(bad.is_nan());
                            assert!(matches!(error, Error::NonFinite { index, .. } if index == at));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let sets = Sets::new("w", &[2, 3], Granularity::Channel).unwrap();
    assert_eq!((sets.codes(CodeType::I4), sets.codes(CodeType::I8)), (4, 6));
    let x = [1.0; 6];
    assert!(quantize(&sets, &x[..5], CodeType::I8).is_err());
    let into = |codes: CodesMut<'_>, scales: usize, zeros: usize| {
        quantize_into(
            &sets,
            &x,
            codes,
            &mut vec![0.0; scales],
            &mut vec![0; zeros],
        )
    };
    assert!(into(CodesMut::I8(&mut [0; 6]), 2, 0).is_ok());
    assert!(into(CodesMut::I8(&mut [0; 5]), 2, 0).is_err());
    assert!(into(CodesMut::I4(&mut [0; 3]), 2, 0).is_err());
    assert!(into(CodesMut::I8(&mut [0; 6]), 3, 0).is_err());
    assert!(into(CodesMut::I8(&mut [0; 6]), 2, 2).is_err());
    assert!(into(CodesMut::U8(&mut [0; 6]), 2, 0).is_err());
    for range in [
        (0, 0),
        (1, 5),
        (-3, 4),
        (i32::MIN, i32::MIN),
        (i32::MIN, i32::MAX),
        (0, 1 << 16),
        (-200, 200),
    ] {
        assert!(into(CodesMut::I8Within(&mut [0; 6], range), 2, 0).is_err());
    }
    assert!(into(CodesMut::U8Within(&mut [0; 6], (0, 256)), 2, 2).is_err());
    assert!(into(CodesMut::U8Within(&mut [0; 6], (-1, 1)), 2, 0).is_err());
    assert!(into(CodesMut::I16Within(&mut [0; 6], (0, 32_768)), 2, 2).is_err());
    assert!(into(CodesMut::U16Within(&mut [0; 6], (0, 65_536)), 2, 2).is_err());
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(encode_to(&sets, &x, &[1.0, scale], &[], CodeType::I8).is_err());
    }
    assert!(encode_to(&sets, &x, &[1.0; 2], &[0, 256], CodeType::U8).is_err());
    assert!(encode_to(&sets, &x, &[1.0; 2], &[0, -1], CodeType::U4).is_err());
    assert!(dequantize(&sets, Codes::U4(&[0; 4]), &[1.0; 2], &[0, i32::MIN]).is_err());
    assert!(dequantize(&sets, Codes::U4(&[0; 4]), &[1.0], &[0, 0]).is_err());
    assert!(Sets::new("w", &[2], Granularity::Group(0)).is_err());
    assert!(Sets::new("w", &[usize::MAX, 2, 0], Granularity::Tensor).is_err());
    let empty = Sets::new("w", &[2, 0], Granularity::Channel).unwrap();
    assert_eq!(
        quantize(&empty, &[], CodeType::U4).unwrap().scales,
        [1.0, 1.0]
    );
}

#[test]
fn ranges_of_any_width_are_kept() {
    let x: Vec<f32> = (-70..70).map(|i| i as f32 * 0.37).collect();
    let sets = Sets::new("w", &[2, 70], Granularity::Channel).unwrap();
    let same = |found: Vec<i32>, zeros: &[i32], range| {
        let expected = |i: usize| {
            let zero = zeros.get(i / 70).copied().unwrap_or(0);
            code_of(x[i], 0.01, zero, range)
        };
        assert_eq!(
            found,
            (0..140).map(expected).collect::<Vec<_>>(),
            "{range:?}"
        );
    };
    for isa in Isa::available() {
        for bits in [2, 3, 8, 9, 12, 16] {
            let top = (1 << (bits - 1)) - 1;
            let mut codes = [0_i16; 140];
            let to = CodesMut::I16Within(&mut codes, (-top, top));
            encode_into_at(isa, &sets, &x, &[0.01; 2], &[], to).unwrap();
            same(codes.map(i32::from).to_vec(), &[], (-top, top));
            let (top, zeros) = ((1 << bits) - 1, [1, (1 << bits) - 2]);
            let mut codes = [0_u16; 140];
            let to = CodesMut::U16Within(&mut codes, (0, top));
            encode_into_at(isa, &sets, &x, &[0.01; 2], &zeros, to).unwrap();
            same(codes.map(i32::from).to_vec(), &zeros, (0, top));
        }
        let mut codes = [0_i8; 140];
        let to = CodesMut::I8Within(&mut codes, (-3, 3));
        encode_into_at(isa, &sets, &x, &[0.01; 2], &[], to).unwrap();
        same(codes.map(i32::from).to_vec(), &[], (-3, 3));
        let mut codes = [0_u8; 140];
        let to = CodesMut::U8Within(&mut codes, (0, 7));
        encode_into_at(isa, &sets, &x, &[0.01; 2], &[3, 7], to).unwrap();
        same(codes.map(i32::from).to_vec(), &[3, 7], (0, 7));
    }
}

#[test]
fn any_code_decodes() {
    let sets = Sets::new("w", &[1, 3], Granularity::Tensor).unwrap();
    let got = dequantize(&sets, Codes::I8(&[-128, 0, 127]), &[0.5], &[]).unwrap();
    assert_eq!(got, [-64.0, 0.0, 63.5]);
    let got = dequantize(&sets, Codes::I4(&[0x98, 0xf7]), &[0.5], &[]).unwrap();
    assert_eq!(got, [-4.0, -3.5, 3.5]);
}
