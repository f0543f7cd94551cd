//! Grids: which codes, which values, and what is refused.

mod blocks;

use proptest::prelude::*;

use super::*;
use crate::kernels::block_format::BlockFormat;

fn linear(bits: u8, granularity: Granularity, scales: &[f32], zero_points: &[i32]) -> Grid {
    Grid::Linear {
        bits,
        granularity,
        scales: scales.to_vec(),
        zero_points: zero_points.to_vec(),
    }
}

/// A codebook of three values with scales.
fn scaled(granularity: Granularity, scales: &[f32]) -> Grid {
    Grid::ScaledCodebook {
        values: vec![-1.0, 0.0, 0.7],
        granularity,
        scales: scales.to_vec(),
    }
}

/// Codes on the grid.
fn on(grid: &Grid, codes: &[i32]) -> Codes {
    Codes::new(grid.code_range(), codes.iter().copied()).unwrap()
}

fn symmetric(bits: u8) -> Grid {
    linear(bits, Granularity::Tensor, &[1.0], &[])
}

#[test]
fn ranges_and_widths_of_codes() {
    let affine = |bits| linear(bits, Granularity::Tensor, &[1.0], &[0]);
    let power = |bits| Grid::PowerOfTwo {
        bits,
        max_exponent: 0,
    };
    let book = |n: usize| Grid::Codebook {
        values: (0..n).map(|i| i as f32).collect(),
    };
    for (grid, range, bits) in [
        (symmetric(8), (-127, 127), 8),
        (symmetric(2), (-1, 1), 2),
        (symmetric(16), (-32_767, 32_767), 16),
        (affine(4), (0, 15), 4),
        (affine(16), (0, 65_535), 16),
        (power(4), (-7, 7), 4),
        (book(1), (0, 0), 0),
        (book(5), (0, 4), 3),
        (book(16), (0, 15), 4),
        (book(256), (0, 255), 8),
        (book(1 << 16), (0, 65_535), 16),
    ] {
        // As large as the largest codebook needs.
        grid.validate("w", &[1 << bits]).unwrap();
        assert_eq!((grid.code_range(), grid.bits()), (range, bits));
    }
}

#[test]
fn widths_that_do_not_exist_are_refused_and_do_not_panic() {
    for bits in [0, 1, 17, 33, 255] {
        for zero_points in [&[][..], &[0]] {
            let grid = linear(bits, Granularity::Tensor, &[1.0], zero_points);
            assert!(grid.validate("w", &[1]).is_err());
            assert!(grid.bits() <= 16);
            let code = Codes::from(vec![0_i8]);
            assert!(grid.dequantize_into(&code, &[1], &mut [0.0]).is_err());
        }
        let grid = Grid::PowerOfTwo {
            bits,
            max_exponent: 0,
        };
        assert!(grid.validate("w", &[1]).is_err());
        assert!(grid.bits() <= 16);
    }
    let empty = Grid::Codebook { values: vec![] };
    assert!(empty.validate("w", &[1]).is_err());
    assert_eq!((empty.code_range(), empty.bits()), ((0, -1), 0));
    let code = Codes::from(vec![0_i8]);
    assert!(empty.dequantize_into(&code, &[1], &mut [0.0]).is_err());
}

#[test]
fn fields_out_of_range_are_named() {
    let shape = [2, 4];
    let (group, nothing) = (Granularity::Group(3), Granularity::Group(0));
    for (grid, field) in [
        (linear(8, Granularity::Channel, &[1.0], &[]), "scales of w"),
        (linear(8, group, &[1.0; 3], &[]), "scales of w"),
        (linear(8, group, &[1.0; 4], &[0; 3]), "zero points of w"),
        (linear(8, nothing, &[1.0; 8], &[]), "group size of w"),
        (scaled(nothing, &[1.0; 8]), "group size of w"),
        (linear(8, Granularity::Tensor, &[0.0], &[]), "scale of w"),
        (
            linear(8, Granularity::Tensor, &[f32::NAN], &[]),
            "scale of w",
        ),
        (linear(8, Granularity::Tensor, &[-1.0], &[]), "scale of w"),
        (
            linear(4, Granularity::Tensor, &[1.0], &[16]),
            "zero point of w",
        ),
        (
            linear(4, Granularity::Tensor, &[1.0], &[-1]),
            "zero point of w",
        ),
        (
            Grid::Codebook {
                values: vec![f32::NAN],
            },
            "codebook of w",
        ),
        (
            Grid::Codebook {
                values: vec![1.0, 0.0],
            },
            "codebook of w",
        ),
        (
            Grid::Codebook {
                values: vec![0.0; 257],
            },
            "codebook size of w",
        ),
    ] {
        let text = grid.validate("w", &shape).unwrap_err().to_string();
        assert!(text.contains(field), "{text}");
    }
    let values = vec![0.0; 65_537];
    assert!(Grid::Codebook { values }.validate("w", &[1 << 20]).is_err());
}

#[test]
fn values_of_linear_codes() {
    let dequantize = |grid: Grid, codes: &[i32]| {
        let mut out = vec![9.0; 6];
        grid.dequantize_into(&on(&grid, codes), &[2, 3], &mut out)
            .unwrap();
        out
    };
    let codes = [1, -2, 3, 4, -5, 7];
    let tensor = linear(4, Granularity::Tensor, &[0.5], &[]);
    assert_eq!(dequantize(tensor, &codes), [0.5, -1.0, 1.5, 2.0, -2.5, 3.5]);
    let channel = linear(4, Granularity::Channel, &[1.0, 10.0], &[]);
    assert_eq!(
        dequantize(channel, &codes),
        [1.0, -2.0, 3.0, 40.0, -50.0, 70.0]
    );
    // Groups do not run on from one row to the next.
    let group = linear(
        4,
        Granularity::Group(2),
        &[1.0, 2.0, 3.0, 4.0],
        &[0, 1, 2, 3],
    );
    let codes = [1, 2, 3, 4, 5, 6];
    assert_eq!(dequantize(group, &codes), [1.0, 2.0, 4.0, 6.0, 9.0, 12.0]);
}

#[test]
fn values_of_codebooks_and_powers_of_two() {
    let mut out = [0.0; 3];
    let book = Grid::Codebook {
        values: vec![-1.0, 0.0, 2.5],
    };
    book.dequantize_into(&on(&book, &[2, 0, 1]), &[3], &mut out)
        .unwrap();
    assert_eq!(out, [2.5, -1.0, 0.0]);
    let power = Grid::PowerOfTwo {
        bits: 4,
        max_exponent: -1,
    };
    power
        .dequantize_into(&on(&power, &[1, -3, 0]), &[3], &mut out)
        .unwrap();
    assert_eq!(out, [0.5, -0.125, 0.0]);
    let extreme = |max_exponent, code| {
        let mut out = [0.0];
        let grid = Grid::PowerOfTwo {
            bits: 8,
            max_exponent,
        };
        grid.dequantize_into(&on(&grid, &[code]), &[1], &mut out)
            .unwrap();
        out[0]
    };
    assert_eq!(extreme(127, 1), 2.0f32.powi(127));
    assert_eq!(extreme(-128, -1), -f32::from_bits(1 << 21));
    assert_eq!(extreme(-128, 127), 0.0);
}

#[test]
fn codes_and_lengths_that_do_not_fit_are_refused() {
    let grid = symmetric(4);
    let mut out = [0.0; 2];
    let mut refuses = |grid: &Grid, codes: &[i8], shape: &[usize]| {
        let codes = Codes::from(codes.to_vec());
        grid.dequantize_into(&codes, shape, &mut out).is_err()
    };
    assert!(refuses(&grid, &[8, 0], &[2]));
    assert!(refuses(&grid, &[-8, 0], &[2]));
    assert!(refuses(&grid, &[0], &[2]));
    assert!(refuses(&grid, &[0; 3], &[3]));
    assert!(!refuses(&grid, &[0; 2], &[2]));
    let few = linear(4, Granularity::Channel, &[1.0], &[]);
    assert!(refuses(&few, &[0, 0], &[2, 1]));
    let wide = linear(4, Granularity::Tensor, &[1.0], &[i32::MIN]);
    assert!(refuses(&wide, &[1, 1], &[2]));
    let tensor = |shape: &[usize], codes: &[i8]| QuantizedTensor {
        name: "w".into(),
        shape: shape.to_vec(),
        grid: symmetric(4),
        codes: codes.to_vec().into(),
    };
    assert_eq!(tensor(&[2], &[-7, 7]).dequantize().unwrap(), [-7.0, 7.0]);
    assert!(tensor(&[2], &[-7, 7]).validate().is_ok());
    assert!(tensor(&[2], &[-8, 7]).validate().is_err());
    assert!(tensor(&[3], &[-7, 7]).validate().is_err());
    // A product that overflows must not wrap around to what is there.
    let half = 1 << (usize::BITS / 2);
    assert!(tensor(&[half, half], &[]).validate().is_err());
    assert!(tensor(&[half, half, 0], &[]).validate().is_ok());
}

#[test]
fn sizes_count_scales_zero_points_and_books() {
    struct Frozen(Grid);
    impl WeightCodec for Frozen {
        fn grid(&self) -> Option<&Grid> {
            Some(&self.0)
        }
        fn size_bits(&self, count: usize) -> u64 {
            self.0.size_bits(count)
        }
        fn encode(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Tensor> {
            let nearest = weights.iter().map(|w| w.round_ties_even() as i32);
            let tensor = QuantizedTensor::new(name, shape, self.0.clone(), nearest)?;
            Ok(Tensor::Quantized(tensor))
        }
    }
    let affine = linear(4, Granularity::Channel, &[1.0, 1.0], &[3, 0]);
    assert_eq!(affine.parameter_bits(), 2 * 32 + 2 * 4);
    let codec = Frozen(symmetric(4));
    assert_eq!(codec.size_bits(10), 32 + 40);
    let mut weights = [0.4, -2.5, 6.6];
    let encoded = codec.encode("w", &weights, &[3]).unwrap();
    assert_eq!(*encoded.codes().unwrap(), [0, -2, 7]);
    codec.fake_quantize(&mut weights, &[3]).unwrap();
    assert_eq!(weights[..], encoded.values().unwrap());
    let book = Grid::Codebook {
        values: vec![0.0; 7],
    };
    assert_eq!(book.parameter_bits(), 224);
}

proptest! {
    #[test]
    fn ranges_cover_every_value_once(
        shape in proptest::collection::vec(0usize..7, 0..4),
        size in 0u32..9,
    ) {
        let total: usize = shape.iter().product();
        for granularity in [
            Granularity::Tensor,
            Granularity::Channel,
            Granularity::Group(size),
        ] {
            let covered: Vec<usize> = granularity.ranges(&shape).flatten().collect();
            prop_assert_eq!(covered, (0..total).collect::<Vec<_>>());
            let ranges = granularity.ranges(&shape).count();
            prop_assert!(ranges <= granularity.sets(&shape));
            if total > 0 {
                prop_assert_eq!(ranges, granularity.sets(&shape));
            }
        }
    }
}

#[test]
fn rows_without_values_have_no_ranges_however_many_they_are() {
    let grid = linear(8, Granularity::Group(1), &[], &[]);
    let tensor = QuantizedTensor {
        name: "w".into(),
        shape: vec![usize::MAX, 0],
        grid,
        codes: Codes::from(Vec::<i8>::new()),
    };
    assert!(tensor.dequantize().unwrap().is_empty());
    let channel = Granularity::Channel;
    assert_eq!(channel.ranges(&[usize::MAX, 0]).count(), 0);
}

#[test]
fn a_scale_whose_levels_overflow_is_refused() {
    let check = |scale: f32, zero_points: &[i32]| {
        linear(8, Granularity::Tensor, &[scale], zero_points).validate("w", &[3])
    };
    // The largest f32 is 127 times 2.679e36.
    assert!(check(2.67e36, &[]).is_ok());
    let error = check(2.69e36, &[]).unwrap_err().to_string();
    assert!(error.contains("scale of w"), "{error}");
    // An affine grid's farthest level lies up to 255 steps from its zero.
    assert!(check(2.67e36, &[0]).is_err());
}

#[test]
fn what_cannot_be_dequantized_names_the_tensor() {
    let good = QuantizedTensor {
        name: "layers.0.weight".into(),
        shape: vec![3],
        grid: symmetric(4),
        codes: vec![0_i8, 7, -7].into(),
    };
    good.dequantize().unwrap();
    let broken = |edit: fn(&mut QuantizedTensor)| {
        let mut tensor = good.clone();
        edit(&mut tensor);
        let errors = [
            tensor.validate().unwrap_err(),
            tensor.dequantize().unwrap_err(),
        ];
        let [checked, dequantized] = errors.map(|error| error.to_string());
        assert_eq!(checked, dequantized);
        checked
    };
    for message in [
        broken(|t| t.codes.set(1, 8).unwrap()),
        broken(|t| t.codes = vec![0_i8, 7].into()),
        broken(|t| t.grid = symmetric(17)),
    ] {
        assert!(message.contains("of layers.0.weight"), "{message}");
    }
}

#[test]
fn equal_values_of_a_codebook_are_allowed_and_descending_ones_are_not() {
    let check = |values: &[f32]| {
        let values = values.to_vec();
        Grid::Codebook { values }.validate("w", &[3])
    };
    assert!(check(&[-1.0, 0.5, 0.5]).is_ok());
    let error = check(&[-1.0, 0.5, 0.25]).unwrap_err().to_string();
    assert!(
        error.contains("codebook of w is 0.5 before 0.25"),
        "{error}"
    );
}

#[test]
fn values_of_scaled_codebooks() {
    let grid = scaled(Granularity::Group(2), &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!((grid.code_range(), grid.bits()), ((0, 2), 2));
    assert_eq!(grid.size_bits(6), 32 * 7 + 12);
    let codes = on(&grid, &[0, 2, 0, 1, 2, 0]);
    let mut out = [9.0; 6];
    grid.dequantize_into(&codes, &[2, 3], &mut out).unwrap();
    assert_eq!(out, [-1.0, 0.7, -2.0, 0.0, 3.0 * 0.7, -4.0]);
    let refused = |granularity, scales: &[f32]| {
        let grid = scaled(granularity, scales);
        grid.validate("w", &[2, 3]).unwrap_err().to_string()
    };
    assert!(refused(Granularity::Tensor, &[1.0; 2]).contains("scales of w"));
    assert!(refused(Granularity::Channel, &[1.0, 0.0]).contains("scale of w"));
    let wide = Grid::ScaledCodebook {
        values: vec![-2.0, 0.0],
        granularity: Granularity::Tensor,
        scales: vec![2e38],
    };
    assert!(wide.validate("w", &[1]).is_err());
}

#[test]
fn codes_take_the_narrowest_type() {
    for (range, bytes) in [
        ((-1, 1), 1),
        ((-127, 127), 1),
        ((-128, 127), 1),
        ((-128, 128), 2),
        ((-129, 0), 2),
        ((-32_767, 32_767), 2),
        ((0, 0), 1),
        ((0, -1), 1),
        ((0, 255), 1),
        ((0, 256), 2),
        ((0, 65_535), 2),
    ] {
        let codes = Codes::zeros(range, 3);
        assert_eq!(codes.as_slice().bytes(), 3 * bytes, "{range:?}");
        assert_eq!(codes, [0; 3]);
    }
    let ends = |range: (i32, i32)| Codes::new(range, [range.0, range.1]).unwrap().to_vec();
    for range in [(-127, 127), (0, 255), (-32_768, 32_767), (0, 65_535)] {
        assert_eq!(ends(range), [range.0, range.1]);
    }
    assert!(Codes::new((-7, 7), [0, 8]).is_err());
    assert!(Codes::new((0, 7), [-1]).is_err());
    for range in [
        (-32_769, 0),
        (-1, 32_768),
        (0, 65_536),
        (i32::MIN, i32::MAX),
    ] {
        assert!(Codes::new(range, []).is_err(), "{range:?}");
        assert_eq!(Codes::zeros(range, 1), [0]);
    }
    assert_eq!(Codes::saturating((-7, 7), [-500, 3, 500]), [-128, 3, 127]);
}

#[test]
fn single_codes_are_read_and_changed() {
    let mut codes = Codes::from(vec![1_u8, 2, 3]);
    assert_eq!(
        (codes.len(), codes.get(1), codes.get(3)),
        (3, Some(2), None)
    );
    codes.set(1, 255).unwrap();
    assert!(codes.set(1, 256).is_err() && codes.set(1, -1).is_err() && codes.set(3, 0).is_err());
    assert_eq!(codes, Codes::from(vec![1_i16, 255, 3]));
    assert_ne!(codes, Codes::from(vec![1_i16, 255]));
    assert_ne!(codes, [1, 255, 4]);
    assert_eq!(codes.iter().len(), 3);
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), codes.to_vec());
}

/// What came back after a journey as JSON and one as bytes.
fn back<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> [T; 2] {
    let json = serde_json::to_string(value).unwrap();
    let bytes = crate::structured::to_bytes(value).unwrap();
    [
        serde_json::from_str(&json).unwrap(),
        crate::structured::from_all_bytes(&bytes).unwrap(),
    ]
}

#[test]
fn tensors_come_back_from_json_and_from_bytes() {
    let grids = [
        (
            linear(4, Granularity::Channel, &[0.1, 1e-30], &[]),
            [-7, 7, 0, 1],
        ),
        (
            linear(12, Granularity::Tensor, &[0.3], &[]),
            [-2047, 2047, 0, 1],
        ),
        (
            linear(16, Granularity::Group(1), &[0.7; 4], &[1, 0, 65_535, 7]),
            [0, 65_535, 0, 1],
        ),
        (
            Grid::Codebook {
                values: vec![-0.25, 0.5],
            },
            [0, 1, 1, 0],
        ),
        (
            scaled(Granularity::Group(1), &[0.1, 2.0, 3e-3, 1.0]),
            [0, 2, 1, 0],
        ),
        (
            Grid::PowerOfTwo {
                bits: 8,
                max_exponent: -128,
            },
            [-127, 127, 0, 1],
        ),
    ];
    for (grid, codes) in grids {
        let tensor = QuantizedTensor::new("größe", &[2, 2], grid.clone(), codes).unwrap();
        assert_eq!(back(&tensor), [tensor.clone(), tensor.clone()]);
        assert_eq!(back(&grid), [grid.clone(), grid]);
        assert_eq!(
            back(&tensor.codes),
            [tensor.codes.clone(), tensor.codes.clone()]
        );
        let tensor = Tensor::Quantized(tensor);
        assert_eq!(back(&tensor), [tensor.clone(), tensor]);
    }
    let tensor = Tensor::Float {
        name: "w".into(),
        shape: vec![3, 1],
        values: vec![0.1, f32::MAX, -f32::from_bits(1)],
    };
    assert_eq!(back(&tensor), [tensor.clone(), tensor]);
}

#[test]
fn what_does_not_fit_is_not_deserialized() {
    let tensor = QuantizedTensor::new("w", &[2], symmetric(4), [7, -7]).unwrap();
    let json = serde_json::to_string(&tensor).unwrap();
    let read = |from: &str, to: &str| {
        let changed = json.replace(from, to);
        assert_ne!(changed, json, "{from}");
        serde_json::from_str::<QuantizedTensor>(&changed)
            .unwrap_err()
            .to_string()
    };
    assert!(read("[7,-7]", "[8,-7]").contains("a code of w"));
    assert!(read("[7,-7]", "[7]").contains("codes of w"));
    assert!(read("\"shape\":[2]", "\"shape\":[18446744073709551615,3]").contains("codes of w"));
    assert!(read("\"bits\":4", "\"bits\":17").contains("bits of a tensor"));
    assert!(read("[1.0]", "[-1.0]").contains("scale of a tensor"));
    assert!(read("[1.0]", "[1.0,1.0]").contains("scales of w"));
    let float = r#"{"Float":{"name":"w","shape":[2],"values":[1.0]}}"#;
    assert!(serde_json::from_str::<Tensor>(float).is_err());
    // Every truncation and every changed byte of the binary form: an error or a whole tensor.
    let bytes = crate::structured::to_bytes(&tensor).unwrap();
    for length in 0..bytes.len() {
        assert!(crate::structured::from_all_bytes::<QuantizedTensor>(&bytes[..length]).is_err());
    }
    for at in 0..bytes.len() {
        for value in 0..=255 {
            let mut changed = bytes.clone();
            changed[at] = value;
            if let Ok(read) = crate::structured::from_all_bytes::<QuantizedTensor>(&changed) {
                read.validate().unwrap();
            }
        }
    }
}
