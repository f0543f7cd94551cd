//! ggml's blocks and NF4 as schemes, by independent arithmetic.

use compress_core::codec::{QuantizedTensor, Tensor};
use compress_core::kernels::block_format::BlockFormat;
use compress_quant::schemes::{Blocks, Nf4, Scheme, Settings, by_name};
use compress_quant::{Granularity, Grid, quantize_array};
use compress_testing::normal;
use ndarray::ArrayView4;

const NAMES: [(&str, BlockFormat); 13] = [
    ("q8_0", BlockFormat::Q8_0),
    ("q4_0", BlockFormat::Q4_0),
    ("q4_1", BlockFormat::Q4_1),
    ("q5_0", BlockFormat::Q5_0),
    ("q5_1", BlockFormat::Q5_1),
    ("q2_k", BlockFormat::Q2_K),
    ("q3_k", BlockFormat::Q3_K),
    ("q4_k", BlockFormat::Q4_K),
    ("q5_k", BlockFormat::Q5_K),
    ("q6_k", BlockFormat::Q6_K),
    ("iq4_nl", BlockFormat::IQ4_NL),
    ("iq4_xs", BlockFormat::IQ4_XS),
    ("mxfp4", BlockFormat::MXFP4),
];

#[test]
fn blocks_are_a_scheme_like_any_other() {
    let weights = normal(3, "w", 4 * 512);
    for (name, format) in NAMES {
        let scheme = by_name(name, &Settings::default()).unwrap();
        assert_eq!(scheme.name(), name);
        let codec = scheme.fit("w", &weights, &[4, 512]).unwrap();
        assert!(codec.grid().is_none());
        let tensor = codec.encode("w", &weights, &[4, 512]).unwrap();
        let Tensor::Blocks(blocks) = &tensor else {
            panic!("no blocks");
        };
        assert_eq!(blocks.format, format);
        assert_eq!(
            8 * blocks.bytes.len() as u64,
            codec.size_bits(weights.len())
        );
        let mut fake = weights.clone();
        codec.fake_quantize(&mut fake, &[4, 512]).unwrap();
        assert_eq!(fake, tensor.values().unwrap());
        // The error of uniform rounding: a twelfth of the squared step, whose range the largest of a
        // group of normal values gives.
        let square = |x: f32| f64::from(x) * f64::from(x);
        let signal: f64 = weights.iter().map(|&x| square(x)).sum();
        let noise: f64 = weights.iter().zip(&fake).map(|(a, b)| square(a - b)).sum();
        let decibels = 10.0 * (signal / noise).log10();
        let expected = match format {
            BlockFormat::Q8_0 => 42.0..48.0,
            BlockFormat::Q6_K => 31.0..37.0,
            BlockFormat::Q5_0 | BlockFormat::Q5_1 => 24.0..30.0,
            BlockFormat::Q5_K => 26.0..30.0,
            BlockFormat::Q4_K | BlockFormat::Q4_1 => 20.0..24.0,
            BlockFormat::IQ4_NL | BlockFormat::IQ4_XS => 20.0..24.0,
            BlockFormat::Q4_0 | BlockFormat::MXFP4 => 18.0..22.0,
            BlockFormat::Q3_K => 14.0..18.0,
            _ => 8.0..12.0,
        };
        assert!(expected.contains(&decibels), "{name}: {decibels}");
    }
}

#[test]
fn rows_that_a_block_does_not_divide_are_refused_first() {
    for (name, format) in NAMES {
        let scheme = by_name(name, &Settings::default()).unwrap();
        for shape in [&[16, 3, 3, 3][..], &[7], &[2, 100]] {
            // Neither filled nor finite, but the rows come first.
            let error = scheme.fit("conv.weight", &[f32::NAN], shape).err().unwrap();
            let row: usize = shape[usize::from(shape.len() > 1)..].iter().product();
            let said = error.to_string();
            let block = format.block_len();
            let expected =
                format!("a row of conv.weight is {row}, but must be a multiple of {block}");
            assert!(said.contains(&expected) && said.contains(name), "{said}");
        }
        assert!(scheme.fit("w", &[1.0; 256], &[2, 256]).is_err());
        let weights = [f32::INFINITY; 256];
        assert!(scheme.fit("w", &weights, &[1, 256]).is_err());
        let codec = scheme.fit("w", &[1.0; 256], &[1, 256]).unwrap();
        let mut weights = weights.to_vec();
        assert!(codec.fake_quantize(&mut weights, &[1, 256]).is_err());
        assert_eq!(weights, [f32::INFINITY; 256]);
    }
}

#[test]
fn formats_that_are_read_alone_are_no_schemes() {
    for format in BlockFormat::ALL.into_iter().filter(|f| !f.encodes()) {
        assert!(by_name(format.name(), &Settings::default()).is_err());
        let refused = Blocks::new(format).fit("w", &[1.0; 256], &[1, 256]);
        let error = refused.err().unwrap().to_string();
        assert!(error.contains(format.name()), "{error}");
    }
}

#[test]
fn a_convolution_of_64_channels_is_in_blocks() {
    let weights = normal(4, "conv", 8 * 64 * 3 * 3);
    let view = ArrayView4::from_shape((8, 64, 3, 3), &weights).unwrap();
    let scheme = by_name("q4_0", &Settings::default()).unwrap();
    let tensor = quantize_array("conv", view, scheme.as_ref()).unwrap();
    let Tensor::Blocks(blocks) = tensor else {
        panic!("no blocks");
    };
    assert_eq!(
        (blocks.shape, blocks.bytes.len()),
        (vec![8, 64, 3, 3], 8 * 18 * 18)
    );
}

/// The table of appendix E of 2305.14314, as printed there.
const PUBLISHED: [f64; 16] = [
    -1.0,
    -0.696_192_800_998_687_7,
    -0.525_073_051_452_636_7,
    -0.394_917_488_098_144_53,
    -0.284_441_381_692_886_35,
    -0.184_773_430_228_233_34,
    -0.091_050_036_251_544_95,
    0.0,
    0.079_580_299_556_255_34,
    0.160_930_201_411_247_25,
    0.246_112_301_945_686_34,
    0.337_915_241_718_292_24,
    0.440_709_829_330_444_34,
    0.562_617_003_917_694_1,
    0.722_956_836_223_602_3,
    1.0,
];

#[test]
fn nf4_is_the_published_table_times_the_largest_of_each_group() {
    let weights = normal(5, "w", 3 * 200);
    let scheme = by_name("nf4", &Settings::default()).unwrap();
    let codec = scheme.fit("w", &weights, &[3, 200]).unwrap();
    assert_eq!(codec.size_bits(600), 4 * 600 + 32 * (16 + 12));
    let tensor = codec.encode("w", &weights, &[3, 200]).unwrap();
    let Tensor::Quantized(QuantizedTensor {
        grid:
            Grid::ScaledCodebook {
                values,
                granularity,
                scales,
            },
        codes,
        ..
    }) = &tensor
    else {
        panic!("no scaled codebook");
    };
    assert_eq!(*granularity, Granularity::Group(64));
    assert!(values.iter().zip(PUBLISHED).all(|(&v, p)| v == p as f32));
    let decoded = tensor.values().unwrap();
    for row in 0..3 {
        for (group, start) in [0, 64, 128, 192].into_iter().enumerate() {
            let at = row * 200 + start..row * 200 + (start + 64).min(200);
            let largest = weights[at.clone()]
                .iter()
                .fold(0.0_f32, |m, w| m.max(w.abs()));
            assert_eq!(scales[4 * row + group], largest);
            for i in at {
                let quotient = f64::from(weights[i] / largest);
                let distance = |code: usize| (quotient - f64::from(PUBLISHED[code] as f32)).abs();
                let code = codes.get(i).unwrap() as usize;
                assert!(
                    (0..16).all(|other| distance(code) <= distance(other)),
                    "{i}"
                );
                assert_eq!(decoded[i], largest * PUBLISHED[code] as f32);
            }
        }
    }
    assert!(Nf4::new(Granularity::Group(0)).is_err());
}

#[test]
fn nf4_of_zeros_and_of_the_smallest_values() {
    let codec = Nf4::default().fit("w", &[0.0; 130], &[130]).unwrap();
    let mut zeros = [0.0, -0.0];
    let codec_of_two = Nf4::default().fit("w", &zeros, &[2]).unwrap();
    codec_of_two.fake_quantize(&mut zeros, &[2]).unwrap();
    assert_eq!(zeros.map(f32::to_bits), [0, 0]);
    assert_eq!(
        codec
            .encode("w", &[0.0; 130], &[130])
            .unwrap()
            .values()
            .unwrap(),
        [0.0; 130]
    );
    let weights = [
        f32::MIN_POSITIVE,
        -f32::MIN_POSITIVE / 2.0,
        f32::from_bits(1),
    ];
    let codec = Nf4::default().fit("w", &weights, &[3]).unwrap();
    let decoded = codec.encode("w", &weights, &[3]).unwrap().values().unwrap();
    assert_eq!((decoded[0], decoded[2]), (f32::MIN_POSITIVE, 0.0));
}
