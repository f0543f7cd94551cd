//! The fixed tree, spelled out once more; levels and threads against it; and the boundaries.

use proptest::prelude::*;

use super::*;

const LENGTHS: [usize; 14] = [
    0, 1, 2, 15, 16, 31, 32, 33, 100, 4095, 4096, 4097, 40_000, 600_001,
];

fn values(len: usize) -> Vec<f32> {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761).rotate_left(13);
    (0..len as u32)
        .map(|i| hash(i) as f32 / 4_294_967_296.0 * 3.0 - 1.0)
        .collect()
}

/// The tree of the module's documentation, with no regard for speed.
fn tree(products: &[(f32, f32)]) -> f32 {
    let mut total = 0.0f64;
    for chunk in products.chunks(4096) {
        let mut lanes = [0.0f32; 32];
        for (i, (a, b)) in chunk.iter().enumerate() {
            lanes[i % 32] = a.mul_add(*b, lanes[i % 32]);
        }
        let mut lanes = lanes.to_vec();
        while lanes.len() > 1 {
            let (low, high) = lanes.split_at(lanes.len() / 2);
            lanes = low.iter().zip(high).map(|(a, b)| a + b).collect();
        }
        total += f64::from(lanes[0]);
    }
    total as f32
}

#[test]
fn sum_and_dot_follow_the_documented_tree() {
    for len in LENGTHS {
        let x = values(len);
        let y: Vec<f32> = x.iter().rev().copied().collect();
        let ones: Vec<_> = x.iter().map(|&x| (x, 1.0)).collect();
        let pairs: Vec<_> = x.iter().copied().zip(y.iter().copied()).collect();
        for isa in Isa::available() {
            let name = isa.name();
            assert_eq!(sum_with(isa, &x), tree(&ones), "sum of {len} at {name}");
            assert_eq!(
                dot_with(isa, &x, &y),
                tree(&pairs),
                "dot of {len} at {name}"
            );
        }
    }
}

#[test]
fn what_is_beyond_f32_on_the_way_need_not_be_at_the_end() {
    let mut x = values(5000);
    let rest = sum_with(Isa::Scalar, &x);
    // Lanes 0 and 16 are added first.
    for (at, value) in [(0, 3e38), (16, 3e38), (1, -3e38), (17, -3e38)] {
        x[at] = value;
    }
    let mut huge = vec![0.0; 5000];
    (huge[0], huge[7]) = (1e30, -1e30);
    for isa in Isa::available() {
        assert!((sum_with(isa, &x) - rest).abs() < 10.0);
        assert_eq!(dot_with(isa, &huge, &vec![1e30; 5000]), 0.0);
        x[40] = f32::INFINITY;
        assert_eq!(sum_with(isa, &x), f32::INFINITY);
        x[41] = f32::NEG_INFINITY;
        assert!(sum_with(isa, &x).is_nan());
        (x[40], x[41]) = (0.0, 0.0);
    }
}

#[test]
fn every_level_and_thread_count_gives_the_same_bits() {
    let alone = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let three = rayon::ThreadPoolBuilder::new()
        .num_threads(3)
        .build()
        .unwrap();
    for len in LENGTHS.into_iter().filter(|&len| len > 0) {
        let x = values(len);
        let all = |isa| {
            let moments = moments_with(isa, "x", &x).unwrap();
            (
                sum_with(isa, &x).to_bits(),
                squared_norm_with(isa, &x).to_bits(),
                absmax_with(isa, "x", &x).unwrap().to_bits(),
                min_max_with(isa, "x", &x).unwrap(),
                moments.mean.to_bits(),
                moments.deviation.to_bits(),
                histogram_with(isa, "x", &x, -1.0, 1.5, 7).unwrap(),
            )
        };
        let expected = alone.install(|| all(Isa::Scalar));
        for isa in Isa::available() {
            assert_eq!(alone.install(|| all(isa)), expected);
            assert_eq!(three.install(|| all(isa)), expected);
        }
    }
}

#[test]
fn moments_survive_a_mean_far_from_zero() {
    // Sums of squares in one pass would lose all digits here.
    let x: Vec<f32> = (0..100_000)
        .map(|i| 16_000_000.0 + (i % 2) as f32)
        .collect();
    let found = moments("x", &x).unwrap();
    assert_eq!(found.count, 100_000);
    assert!((found.mean - 16_000_000.5).abs() < 1e-6, "{found:?}");
    assert!((found.deviation - 0.5).abs() < 1e-9, "{found:?}");
    assert_eq!(moments("x", &[3.0]).unwrap().deviation, 0.0);
    let extreme = moments("x", &[f32::MAX, f32::MIN]).unwrap();
    assert_eq!(extreme.deviation, f64::from(f32::MAX));
}

#[test]
fn values_that_are_not_finite_are_named_with_the_first_position() {
    for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (len, at) in [(1, 0), (40, 39), (40, 3), (5000, 4998), (600_000, 300_000)] {
            let mut x = values(len);
            x[at] = bad;
            x[len - 1] = bad;
            let errors = [
                absmax("layer", &x).unwrap_err(),
                min_max("layer", &x).unwrap_err(),
                moments("layer", &x).unwrap_err(),
                histogram("layer", &x, 0.0, 1.0, 4).unwrap_err(),
            ];
            for error in errors {
                let Error::NonFinite { what, index, .. } = &error else {
                    panic!("{error}");
                };
                assert_eq!((what.as_str(), *index), ("layer", at), "{error}");
            }
        }
    }
    assert!(sum(&[1.0, f32::NAN]).unwrap().is_nan());
    // Opposite infinities must not cancel into something finite.
    assert!(moments("x", &[f32::INFINITY, f32::NEG_INFINITY]).is_err());
}

#[test]
fn nothing_has_a_sum_but_no_extremes() {
    assert_eq!(sum(&[]).unwrap(), 0.0);
    assert_eq!(dot(&[], &[]).unwrap(), 0.0);
    assert_eq!(squared_norm(&[]).unwrap(), 0.0);
    assert_eq!(absmax("x", &[]).unwrap(), 0.0);
    assert!(matches!(min_max("x", &[]), Err(Error::Empty { .. })));
    assert!(matches!(moments("x", &[]), Err(Error::Empty { .. })));
    assert_eq!(histogram("x", &[], 0.0, 1.0, 2).unwrap(), [0, 0]);
    assert!(dot(&[1.0], &[]).is_err());
}

#[test]
fn zeros_have_signs() {
    let (low, high) = min_max("x", &[0.0, -0.0, 0.0]).unwrap();
    assert_eq!((low.to_bits(), high.to_bits()), ((-0.0f32).to_bits(), 0));
    assert_eq!(absmax("x", &[-0.0]).unwrap().to_bits(), 0);
    assert_eq!(min_max("x", &[-1e-45, -3.0]).unwrap(), (-3.0, -1e-45));
}

#[test]
fn squares_of_large_values_do_not_overflow() {
    assert_eq!(
        squared_norm(&[1e30, 1e30]).unwrap(),
        2.0 * f64::from(1e30f32).powi(2)
    );
}

#[test]
fn boundaries_of_bins_belong_to_the_upper_one() {
    let x = [-9.0, 0.0, 0.25, 0.5, 0.75, 1.0, 9.0];
    assert_eq!(histogram("x", &x, 0.0, 1.0, 4).unwrap(), [2, 1, 1, 3]);
    let whole = histogram("x", &[-1e30, 1e30], f32::MIN, f32::MAX, 2).unwrap();
    assert_eq!(whole, [1, 1]);
    for (low, high, bins) in [
        (1.0, 1.0, 4),
        (2.0, 1.0, 4),
        (f32::NAN, 1.0, 4),
        (0.0, f32::INFINITY, 4),
        (0.0, 1.0, 0),
        (0.0, 1.0, usize::MAX),
    ] {
        assert!(histogram("x", &x, low, high, bins).is_err());
    }
}

proptest! {
    #[test]
    fn extremes_agree_with_sorting(x in proptest::collection::vec(-1e30f32..1e30, 1..200)) {
        let mut sorted = x.clone();
        sorted.sort_by(f32::total_cmp);
        let (low, high) = min_max("x", &x).unwrap();
        prop_assert_eq!((low, high), (sorted[0], sorted[sorted.len() - 1]));
        let largest = x.iter().fold(0.0f32, |m, v| if v.abs() > m { v.abs() } else { m });
        prop_assert_eq!(absmax("x", &x).unwrap(), largest);
    }
}
