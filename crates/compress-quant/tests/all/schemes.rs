//! What holds for every scheme: zeros, bits, errors, edges, and the budget of errors.

use compress_core::Error;
use compress_core::codec::Codes;
use compress_quant::codecs::from_grid;
use compress_quant::schemes::{
    Codebook, LinearAffine, LinearSymmetric, Nf4, PowerOfTwo, Range, Scheme, ZeroLevel,
};
use compress_quant::{Granularity, Grid, WeightCodec};
use compress_testing::normal;
use proptest::prelude::*;

const GRANULARITIES: [Granularity; 4] = [
    Granularity::Tensor,
    Granularity::Channel,
    Granularity::Group(3),
    Granularity::Group(64),
];

/// Every scheme at several widths.
fn all_schemes() -> Vec<Box<dyn Scheme>> {
    let mut all: Vec<Box<dyn Scheme>> = Vec::new();
    for granularity in GRANULARITIES {
        for range in [Range::AbsMax, Range::LeastSquares, Range::Fixed(0.031)] {
            for bits in [2, 4, 8, 16] {
                all.push(Box::new(
                    LinearSymmetric::new(bits, granularity, range).unwrap(),
                ));
                all.push(Box::new(
                    LinearAffine::new(bits, granularity, range).unwrap(),
                ));
            }
        }
    }
    for levels in [2, 3, 16, 33, 256] {
        all.push(Box::new(Codebook::new(levels, ZeroLevel::Pinned).unwrap()));
    }
    for bits in [2, 3, 4, 8] {
        all.push(Box::new(PowerOfTwo::new(bits).unwrap()));
    }
    for granularity in GRANULARITIES {
        all.push(Box::new(Nf4::new(granularity).unwrap()));
    }
    all
}

/// The grid of a codec that has one.
fn grid(codec: &dyn WeightCodec) -> &Grid {
    codec.grid().expect("a grid")
}

fn quantized(scheme: &dyn Scheme, weights: &[f32], shape: &[usize]) -> Vec<f32> {
    let codec = scheme.fit("w", weights, shape).unwrap();
    let mut out = weights.to_vec();
    codec.fake_quantize(&mut out, shape).unwrap();
    out
}

/// The sum of squared differences.
fn squared_error(a: &[f32], b: &[f32]) -> f64 {
    let differences = a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b));
    differences.map(|d| d * d).sum()
}

fn loss(scheme: &dyn Scheme, weights: &[f32], shape: &[usize]) -> f64 {
    squared_error(weights, &quantized(scheme, weights, shape))
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// What must hold of one scheme fitted to `weights` and applied to `others`.
fn check(scheme: &dyn Scheme, weights: &[f32], others: &[f32], shape: &[usize]) {
    let codec = scheme.fit("w", weights, shape).unwrap();
    grid(&*codec).validate("w", shape).unwrap();
    for values in [weights, others] {
        let encoded = codec.encode("w", values, shape).unwrap();
        encoded.validate().unwrap();
        let decoded = encoded.values().unwrap();
        assert!(decoded.iter().all(|v| v.is_finite()), "{:?}", grid(&*codec));

        let mut fake = values.to_vec();
        codec.fake_quantize(&mut fake, shape).unwrap();
        assert_eq!(bits(&fake), bits(&decoded), "{:?}", grid(&*codec));

        let again = codec.encode("w", &fake, shape).unwrap();
        assert_eq!(again, encoded, "{:?}", grid(&*codec));

        let remade = from_grid("w", grid(&*codec).clone(), shape).unwrap();
        assert_eq!(remade.encode("w", values, shape).unwrap(), encoded);

        let zeros = values.iter().zip(&fake).filter(|(w, _)| **w == 0.0);
        let pinned = !matches!(grid(&*codec), Grid::Codebook { .. }) || weights.contains(&0.0);
        for (_, quantized) in zeros.filter(|_| pinned) {
            assert_eq!(quantized.to_bits(), 0, "{:?}", grid(&*codec));
        }
    }
}

fn weight() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -1.0f32..1.0,
        2 => Just(0.0f32),
        1 => Just(-0.0f32),
        // Ties on the fixed grid and on powers of two.
        2 => (-20i32..20).prop_map(|i| i as f32 * 0.0155),
        2 => (-9i32..9, 0u32..3).prop_map(|(e, m)| 2f32.powi(e) * (1.0 + m as f32 / 4.0)),
        1 => prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL,
    ]
}

proptest! {
    // Every scheme is tried at each step of shrinking.
    #![proptest_config(ProptestConfig {
        cases: 150,
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_trained_is_what_ships_and_zeros_stay(
        weights in prop::collection::vec(weight(), 40),
        others in prop::collection::vec(weight(), 40),
    ) {
        for scheme in all_schemes() {
            check(scheme.as_ref(), &weights, &others, &[4, 10]);
        }
    }

    #[test]
    fn half_a_scale_at_most_without_clipping(
        weights in prop::collection::vec(-3.0f32..3.0, 60),
        bits in 2u8..=16,
    ) {
        for granularity in GRANULARITIES {
            let scheme = LinearSymmetric::new(bits, granularity, Range::AbsMax).unwrap();
            let codec = scheme.fit("w", &weights, &[5, 12]).unwrap();
            let Grid::Linear { scales, .. } = grid(&*codec) else { panic!("not linear") };
            let mut out = weights.clone();
            codec.fake_quantize(&mut out, &[5, 12]).unwrap();
            for (range, scale) in granularity.ranges(&[5, 12]).zip(scales) {
                for i in range {
                    let error = (weights[i] - out[i]).abs();
                    // Quotient, product and difference are each rounded once.
                    let rounding = 2.0 * f32::EPSILON * weights[i].abs();
                    prop_assert!(error <= 0.5 * scale + rounding, "{} {}", error, scale);
                }
            }
        }
    }

    #[test]
    fn nearest_level_in_value(weights in prop::collection::vec(weight(), 30)) {
        let schemes: [Box<dyn Scheme>; 3] = [
            Box::new(Codebook::new(5, ZeroLevel::Pinned).unwrap()),
            Box::new(Codebook::new(40, ZeroLevel::Free).unwrap()),
            Box::new(PowerOfTwo::new(4).unwrap()),
        ];
        for scheme in schemes {
            let codec = scheme.fit("w", &weights, &[30]).unwrap();
            let (low, high) = grid(&*codec).code_range();
            let mut levels = vec![0.0; (high - low + 1) as usize];
            let codes = Codes::new((low, high), low..=high).unwrap();
            grid(&*codec).dequantize_into(&codes, &[codes.len()], &mut levels).unwrap();
            let mut out = weights.clone();
            codec.fake_quantize(&mut out, &[30]).unwrap();
            for (w, q) in weights.iter().zip(&out) {
                let distance = |l: f32| (f64::from(*w) - f64::from(l)).abs();
                let nearest = levels.iter().map(|l| distance(*l)).fold(f64::INFINITY, f64::min);
                prop_assert_eq!(distance(*q), nearest, "{} {}", w, q);
            }
        }
    }
}

#[test]
fn the_edges_of_f32() {
    let cases: [&[f32]; 9] = [
        &[0.0, -0.0, 0.0, 0.0],
        &[1e-45, -1e-45, 0.0, 3e-45],
        &[1e-38, -2e-38, 0.0, 5e-39],
        &[f32::MAX, f32::MIN, 0.0, 1.0],
        &[f32::MAX, f32::MAX, f32::MAX, f32::MAX],
        &[f32::MIN, -1e38, -1.0, -1e-45],
        &[5.0; 4],
        &[-0.25; 4],
        &[1e-30, 1e30, -1e-30, -1e30],
    ];
    for scheme in all_schemes() {
        for weights in cases {
            check(scheme.as_ref(), weights, &[0.0, 0.3, -7e37, 1e-45], &[2, 2]);
        }
    }
}

#[test]
fn infinite_weights_saturate_and_nan_is_refused_when_encoding() {
    let weights = normal(1, "w", 12);
    for scheme in all_schemes() {
        let codec = scheme.fit("layers.1.weight", &weights, &[3, 4]).unwrap();
        let mut others = weights.clone();
        others[5] = f32::INFINITY;
        check(scheme.as_ref(), &weights, &others, &[3, 4]);
        others[7] = f32::NAN;
        let before = bits(&others);
        for result in [
            codec.fake_quantize(&mut others, &[3, 4]),
            codec
                .encode("layers.1.weight", &others.clone(), &[3, 4])
                .map(drop),
        ] {
            let text = result.unwrap_err().to_string();
            assert!(
                text.contains("layers.1.weight") && text.contains("index 7"),
                "{text}"
            );
        }
        assert_eq!(bits(&others), before, "changed before it was refused");
    }
}

#[test]
fn fitting_refuses_what_is_not_finite() {
    for scheme in all_schemes() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut weights = vec![0.5; 12];
            weights[10] = bad;
            let error = scheme
                .fit("layers.2.bias", &weights, &[3, 4])
                .err()
                .unwrap();
            assert!(
                matches!(&error, Error::NonFinite { what, index: 10, .. } if what == "layers.2.bias"),
                "{}: {error}",
                scheme.name()
            );
        }
    }
}

#[test]
fn empty_tensors_and_single_values() {
    for scheme in all_schemes() {
        for shape in [&[0][..], &[0, 5], &[3, 0], &[0, 0]] {
            let codec = scheme.fit("w", &[], shape).unwrap();
            grid(&*codec).validate("w", shape).unwrap();
            assert!(
                codec
                    .encode("w", &[], shape)
                    .unwrap()
                    .values()
                    .unwrap()
                    .is_empty()
            );
            codec.fake_quantize(&mut [], shape).unwrap();
        }
        for value in [0.0, 0.7, -3.0] {
            check(scheme.as_ref(), &[value], &[0.1], &[1]);
            check(scheme.as_ref(), &[value], &[0.1], &[]);
        }
    }
}

#[test]
fn a_single_value_or_a_constant_is_kept() {
    for weights in [vec![0.7], vec![-0.3; 9]] {
        let shape = [weights.len()];
        for range in [Range::AbsMax, Range::LeastSquares] {
            for scheme in [
                Box::new(LinearSymmetric::new(8, Granularity::Tensor, range).unwrap())
                    as Box<dyn Scheme>,
                Box::new(LinearAffine::new(8, Granularity::Tensor, range).unwrap()),
                Box::new(Codebook::new(4, ZeroLevel::Pinned).unwrap()),
            ] {
                for (w, q) in weights
                    .iter()
                    .zip(quantized(scheme.as_ref(), &weights, &shape))
                {
                    assert!((w - q).abs() <= 1e-6 * w.abs(), "{} {w} {q}", scheme.name());
                }
            }
        }
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let weights = normal(1, "w", 12);
    for scheme in all_schemes() {
        assert!(scheme.fit("w", &weights, &[3, 5]).is_err());
        assert!(scheme.fit("w", &weights, &[usize::MAX, 2, 6]).is_err());
        let codec = scheme.fit("w", &weights, &[3, 4]).unwrap();
        assert!(codec.encode("w", &weights[..11], &[3, 4]).is_err());
        assert!(codec.fake_quantize(&mut weights.clone(), &[11]).is_err());
    }
    let scheme = LinearSymmetric::new(8, Granularity::Channel, Range::AbsMax).unwrap();
    let codec = scheme.fit("w", &weights, &[3, 4]).unwrap();
    assert!(codec.fake_quantize(&mut weights.clone(), &[4, 3]).is_err());
}

#[test]
fn grids_that_are_not_valid_make_no_codec() {
    let linear = |scale, zero_points| Grid::Linear {
        bits: 4,
        granularity: Granularity::Tensor,
        scales: vec![scale],
        zero_points,
    };
    for grid in [
        linear(0.0, vec![]),
        linear(f32::NAN, vec![]),
        linear(1.0, vec![16]),
        linear(1.0, vec![0, 0]),
        Grid::Codebook { values: vec![] },
        Grid::Codebook {
            values: vec![1.0, 0.0],
        },
        Grid::PowerOfTwo {
            bits: 9,
            max_exponent: 0,
        },
        Grid::PowerOfTwo {
            bits: 4,
            max_exponent: -127,
        },
    ] {
        assert!(from_grid("w", grid.clone(), &[4]).is_err(), "{grid:?}");
    }
    assert!(from_grid("w", linear(1e-45, vec![]), &[4]).is_ok());
    assert!(from_grid("w", linear(1.0, vec![]), &[usize::MAX, 3]).is_err());
}

/// Decibels of signal to quantization noise.
fn sqnr(scheme: &dyn Scheme, weights: &[f32], shape: &[usize]) -> f64 {
    let signal = squared_error(weights, &vec![0.0; weights.len()]);
    10.0 * (signal / loss(scheme, weights, shape)).log10()
}

/// A uniform error of width `scale` has the variance scale²/12, so that the bound is
/// 10·log₁₀(12·Σw² / Σ scale²), summed over weights.
#[test]
fn linear_reaches_the_uniform_error_of_its_scales() {
    let weights = normal(3, "gaussian", 64 * 256);
    let shape = [64, 256];
    for granularity in [
        Granularity::Tensor,
        Granularity::Channel,
        Granularity::Group(64),
    ] {
        for bits in [6, 8, 12] {
            let scheme = LinearSymmetric::new(bits, granularity, Range::AbsMax).unwrap();
            let codec = scheme.fit("w", &weights, &shape).unwrap();
            let Grid::Linear { scales, .. } = grid(&*codec) else {
                panic!("not linear")
            };
            let ranges = granularity.ranges(&shape).zip(scales);
            let noise: f64 = ranges
                .map(|(range, scale)| range.len() as f64 * f64::from(*scale).powi(2) / 12.0)
                .sum();
            let bound = 10.0 * (squared_error(&weights, &vec![0.0; weights.len()]) / noise).log10();
            let found = sqnr(&scheme, &weights, &shape);
            assert!(
                (found - bound).abs() < 0.2,
                "{granularity:?} {bits}: {found} {bound}"
            );
        }
    }
}

/// What each scheme must reach on Gaussian weights, in decibels. The optimal quantizers of a
/// Gaussian (Max 1960, table I) reach 9.30, 20.22 (uniform 19.38) and 40.34 (uniform) with 4,
/// 16 and 256 levels.
#[test]
fn error_budget() {
    let (weights, shape) = (normal(3, "gaussian", 64 * 256), [64, 256]);
    let tensor = Granularity::Tensor;
    let symmetric = |bits, g, range| LinearSymmetric::new(bits, g, range).unwrap();
    let affine = |bits, g, range| LinearAffine::new(bits, g, range).unwrap();
    let book = |levels| Codebook::new(levels, ZeroLevel::Free).unwrap();
    let budget: [(&str, &dyn Scheme, f64); 11] = [
        (
            "int8 channel",
            &symmetric(8, Granularity::Channel, Range::AbsMax),
            43.0,
        ),
        (
            "int8 least squares",
            &symmetric(8, tensor, Range::LeastSquares),
            39.5,
        ),
        ("int4 absmax", &symmetric(4, tensor, Range::AbsMax), 14.5),
        (
            "int4 least squares",
            &symmetric(4, tensor, Range::LeastSquares),
            18.8,
        ),
        (
            "int4 group 32",
            &symmetric(4, Granularity::Group(32), Range::LeastSquares),
            20.0,
        ),
        ("ternary", &symmetric(2, tensor, Range::LeastSquares), 7.0),
        (
            "uint4 least squares",
            &affine(4, tensor, Range::LeastSquares),
            19.0,
        ),
        ("codebook 4", &book(4), 9.2),
        ("codebook 16", &book(16), 20.1),
        ("codebook 256", &book(256), 43.0),
        ("power of two, 4 bits", &PowerOfTwo::new(4).unwrap(), 14.0),
    ];
    for (label, scheme, least) in budget {
        let found = sqnr(scheme, &weights, &shape);
        assert!(found >= least, "{label}: {found:.2} dB, budget {least}");
    }
}

/// Tensors of several shapes of distribution: Gaussian, heavy-tailed, skewed, pruned.
fn distributions() -> Vec<Vec<f32>> {
    let gaussian = normal(5, "a", 48 * 40);
    let factor = normal(5, "b", 48 * 40);
    let heavy: Vec<f32> = gaussian
        .iter()
        .zip(&factor)
        .map(|(a, b)| a * b * b)
        .collect();
    let skewed = gaussian.iter().map(|a| a * a + 0.3 * a).collect();
    let pruned = gaussian
        .iter()
        .map(|a| if a.abs() < 1.2 { 0.0 } else { *a })
        .collect();
    vec![gaussian, heavy, skewed, pruned]
}

#[test]
fn least_squares_is_never_worse_than_the_whole_range() {
    for weights in distributions() {
        for granularity in GRANULARITIES {
            for bits in 2..=9 {
                let shape = [48, 40];
                let whole = LinearSymmetric::new(bits, granularity, Range::AbsMax).unwrap();
                let best = LinearSymmetric::new(bits, granularity, Range::LeastSquares).unwrap();
                let (a, b) = (
                    loss(&best, &weights, &shape),
                    loss(&whole, &weights, &shape),
                );
                assert!(
                    a <= b * (1.0 + 1e-12),
                    "symmetric {bits} {granularity:?}: {a} {b}"
                );
                let whole = LinearAffine::new(bits, granularity, Range::AbsMax).unwrap();
                let best = LinearAffine::new(bits, granularity, Range::LeastSquares).unwrap();
                let (a, b) = (
                    loss(&best, &weights, &shape),
                    loss(&whole, &weights, &shape),
                );
                assert!(
                    a <= b * (1.0 + 1e-12),
                    "affine {bits} {granularity:?}: {a} {b}"
                );
            }
        }
    }
}

/// The search against 20,000 scales, evenly spaced.
#[test]
fn least_squares_finds_nearly_the_best_scale() {
    for weights in distributions() {
        let weights = &weights[..480];
        for bits in [2, 3, 4, 6] {
            let best =
                LinearSymmetric::new(bits, Granularity::Tensor, Range::LeastSquares).unwrap();
            let found = loss(&best, weights, &[480]);
            let top = ((1 << (bits - 1)) - 1) as f32;
            let bound = weights.iter().fold(0.0f32, |m, w| m.max(w.abs())) / top;
            let error = |i: usize| {
                let range = Range::Fixed(bound * i as f32 / 20_000.0);
                loss(
                    &LinearSymmetric::new(bits, Granularity::Tensor, range).unwrap(),
                    weights,
                    &[480],
                )
            };
            let exhaustive = (1..=20_000).map(error).fold(f64::INFINITY, f64::min);
            assert!(found <= exhaustive * 1.02, "{bits}: {found} {exhaustive}");
        }
    }
}

/// Finer groups bound the error better; on sums over many weights it also falls.
#[test]
fn finer_groups_are_not_worse() {
    for weights in distributions() {
        for bits in [3, 4, 8] {
            let order = [
                Granularity::Tensor,
                Granularity::Channel,
                Granularity::Group(20),
                Granularity::Group(5),
            ];
            let errors = order.map(|granularity| {
                let scheme = LinearSymmetric::new(bits, granularity, Range::LeastSquares).unwrap();
                loss(&scheme, &weights, &[48, 40])
            });
            assert!(
                errors.windows(2).all(|e| e[1] <= e[0] * 1.000_001),
                "{bits} {errors:?}"
            );
        }
    }
}

#[test]
fn a_codebook_is_never_worse_than_a_linear_grid_of_as_many_levels() {
    for weights in distributions() {
        for bits in [2u8, 3, 4, 5] {
            let shape = [weights.len()];
            for range in [Range::AbsMax, Range::LeastSquares] {
                let symmetric = LinearSymmetric::new(bits, Granularity::Tensor, range).unwrap();
                let affine = LinearAffine::new(bits, Granularity::Tensor, range).unwrap();
                for zero in [ZeroLevel::Free, ZeroLevel::Pinned] {
                    // Rounding the levels to f32 may cost a little.
                    let levels = 1 << bits;
                    let odd = Codebook::new(levels - 1, zero).unwrap();
                    let even = Codebook::new(levels, zero).unwrap();
                    let pair = (
                        loss(&odd, &weights, &shape),
                        loss(&symmetric, &weights, &shape),
                    );
                    assert!(pair.0 <= pair.1 * 1.000_001, "{bits} {zero:?} {pair:?}");
                    let pair = (
                        loss(&even, &weights, &shape),
                        loss(&affine, &weights, &shape),
                    );
                    assert!(pair.0 <= pair.1 * 1.000_001, "{bits} {zero:?} {pair:?}");
                }
            }
        }
    }
}

/// Against every exponent there is, evaluated on the weights rather than on half binades.
#[test]
fn the_exponent_is_the_best_of_all() {
    let mut cases = distributions();
    cases.push(vec![1e-38, 3e-39, -8e-39, 0.0]);
    cases.push(vec![f32::MAX, 1e38, -3e37, 1.0]);
    cases.push(vec![1.5, 0.75, -3.0, 0.374, 0.376]);
    for weights in cases {
        for bits in [2, 3, 4, 8] {
            let shape = [weights.len()];
            let found = loss(&PowerOfTwo::new(bits).unwrap(), &weights, &shape);
            let error = |max_exponent: i8| {
                let grid = Grid::PowerOfTwo { bits, max_exponent };
                let mut out = weights.clone();
                from_grid("w", grid, &shape)
                    .unwrap()
                    .fake_quantize(&mut out, &shape)
                    .unwrap();
                squared_error(&weights, &out)
            };
            let best = (-126..=127).map(error).fold(f64::INFINITY, f64::min);
            assert!(found <= best * (1.0 + 1e-9), "{bits}: {found} {best}");
        }
    }
}

#[test]
fn threads_do_not_change_bits() {
    let weights = normal(9, "w", 300 * 200);
    let fit = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let schemes: [Box<dyn Scheme>; 4] = [
                Box::new(
                    LinearSymmetric::new(4, Granularity::Tensor, Range::LeastSquares).unwrap(),
                ),
                Box::new(LinearAffine::new(4, Granularity::Channel, Range::LeastSquares).unwrap()),
                Box::new(Codebook::new(20, ZeroLevel::Free).unwrap()),
                Box::new(PowerOfTwo::new(4).unwrap()),
            ];
            schemes.map(|s| grid(&*s.fit("w", &weights, &[300, 200]).unwrap()).clone())
        })
    };
    assert_eq!(fit(1), fit(2));
    assert_eq!(fit(1), fit(5));
}
