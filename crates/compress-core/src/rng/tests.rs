//! Known words, independence of streams, and moments beside those of another library.

use rand_distr::{Bernoulli, Distribution, StandardNormal};

use super::*;

const N: usize = 200_000;

/// Mean, variance, skewness and kurtosis.
fn moments(x: impl Iterator<Item = f64> + Clone) -> [f64; 4] {
    let n = x.clone().count() as f64;
    let mean = x.clone().sum::<f64>() / n;
    let central = |p| x.clone().map(|v| (v - mean).powi(p)).sum::<f64>() / n;
    let variance = central(2);
    [
        mean,
        variance,
        central(3) / variance.powf(1.5),
        central(4) / (variance * variance),
    ]
}

#[test]
fn known_words() {
    // A change here changes every experiment.
    let mut a = stream(0, "");
    let words: Vec<u32> = (0..4).map(|_| a.next_u32()).collect();
    assert_eq!(words, KNOWN_EMPTY);
    let mut b = indexed(42, "teacher.init", 3);
    let words: Vec<u32> = (0..4).map(|_| b.next_u32()).collect();
    assert_eq!(words, KNOWN_TEACHER);
    let mut c = stream(42, "known");
    let mut values = [0.0; 3];
    fill_normal(&mut c, 0.0, 1.0, &mut values).unwrap();
    assert_eq!(values, KNOWN_NORMAL);
    fill_uniform(&mut c, -1.0, 3.0, &mut values).unwrap();
    assert_eq!(values, KNOWN_UNIFORM);
}

// Computed from the definitions of the key and of ChaCha8 by another program.
const KNOWN_EMPTY: [u32; 4] = [2_180_845_138, 3_696_540_195, 1_460_422_352, 1_428_906_477];
const KNOWN_TEACHER: [u32; 4] = [4_177_228_392, 1_009_806_429, 561_564_530, 67_229_520];
// Exact: 0.352624154, -0.254074295, 0.877242780.
const KNOWN_NORMAL: [f32; 3] = [0.352_624_2, -0.254_074_34, 0.877_242_74];
const KNOWN_UNIFORM: [f32; 3] = [2.606_648_4, -0.498_491_3, 1.689_177];

#[test]
fn streams_differ_by_seed_name_and_index() {
    let first = |mut s: Stream| (s.next_u32(), s.next_u32());
    let streams = [
        stream(1, "a"),
        stream(2, "a"),
        stream(1, "b"),
        stream(1, "ab"),
        indexed(1, "a", 1),
        indexed(1, "a", 2),
        indexed(2, "a", 1),
    ];
    let words: std::collections::HashSet<_> = streams.into_iter().map(first).collect();
    assert_eq!(words.len(), 7);
    assert_eq!(first(stream(1, "a")), first(indexed(1, "a", 0)));
}

#[test]
fn streams_of_different_names_do_not_correlate() {
    let draw = |name| {
        let mut values = vec![0.0; N];
        fill_normal(&mut stream(7, name), 0.0, 1.0, &mut values).unwrap();
        values
    };
    let (a, b) = (draw("a"), draw("b"));
    let correlation = a.iter().zip(&b).map(|(a, b)| f64::from(a * b)).sum::<f64>() / N as f64;
    assert!(correlation.abs() < 4.0 / (N as f64).sqrt(), "{correlation}");
}

#[test]
fn normal_has_the_moments_of_the_other_library() {
    let mut ours = vec![0.0; N];
    fill_normal(&mut stream(1, "normal"), 0.0, 1.0, &mut ours).unwrap();
    let mut other = stream(1, "other");
    let theirs: Vec<f64> = StandardNormal.sample_iter(&mut other).take(N).collect();
    let ours = moments(ours.iter().map(|&x| f64::from(x)));
    let theirs = moments(theirs.iter().copied());
    // Four standard errors of each moment.
    let root = 4.0 / (N as f64).sqrt();
    let bounds = [root, 1.4 * root, 2.5 * root, 4.9 * root];
    for (i, exact) in [0.0, 1.0, 0.0, 3.0].into_iter().enumerate() {
        assert!((ours[i] - exact).abs() < bounds[i], "{ours:?}");
        assert!(
            (ours[i] - theirs[i]).abs() < 2.0 * bounds[i],
            "{ours:?} {theirs:?}"
        );
    }
}

#[test]
fn normal_has_the_right_tails() {
    let mut x = vec![0.0; N];
    fill_normal(&mut stream(2, "tails"), 0.0, 1.0, &mut x).unwrap();
    for (bound, probability) in [(1.0, 0.317_310_5), (2.0, 0.045_500_3), (3.0, 0.002_699_8)] {
        let beyond = x.iter().filter(|x| x.abs() > bound).count() as f64;
        let expected = probability * N as f64;
        assert!(
            (beyond - expected).abs() < 4.0 * expected.sqrt(),
            "{beyond} {expected}"
        );
    }
}

#[test]
fn filling_is_drawing_one_by_one() {
    let mut first = [0.0; 1];
    fill_normal(&mut stream(3, "x"), 0.0, 1.0, &mut first).unwrap();
    assert_eq!(normal(&mut stream(3, "x")), first[0]);
    let (mut all, mut part) = (vec![0.0; 333], vec![0.0; 128]);
    fill_normal(&mut stream(4, "x"), 5.0, 0.5, &mut all).unwrap();
    let mut s = stream(4, "x");
    fill_normal(&mut s, 5.0, 0.5, &mut part).unwrap();
    assert_eq!(all[..128], part[..]);
    let mut rest = vec![0.0; 205];
    fill_normal(&mut s, 5.0, 0.5, &mut rest).unwrap();
    assert_eq!(all[128..], rest[..]);

    let mut keep = vec![false; 1001];
    fill_bernoulli(&mut stream(5, "x"), 0.25, &mut keep).unwrap();
    let mut s = stream(5, "x");
    let one_by_one: Vec<bool> = (0..1001).map(|_| s.next_u32() < 1 << 30).collect();
    assert_eq!(keep, one_by_one);
}

#[test]
fn uniform_stays_in_its_range_with_the_right_moments() {
    let mut x = vec![0.0; N];
    fill_uniform(&mut stream(6, "x"), -2.0, 4.0, &mut x).unwrap();
    assert!(x.iter().all(|x| (-2.0..4.0).contains(x)));
    let [mean, variance, skewness, kurtosis] = moments(x.iter().map(|&x| f64::from(x)));
    assert!((mean - 1.0).abs() < 0.02 && (variance - 3.0).abs() < 0.03);
    assert!(skewness.abs() < 0.02 && (kurtosis - 1.8).abs() < 0.02);
    let mut s = stream(7, "x");
    let one = moments(
        (0..N)
            .map(|_| f64::from(uniform(&mut s)))
            .collect::<Vec<_>>()
            .into_iter(),
    );
    assert!((one[0] - 0.5).abs() < 0.003 && (one[1] - 1.0 / 12.0).abs() < 0.001);
    for (low, high) in [
        (1.0, 1.0),
        (2.0, 1.0),
        (f32::NAN, 1.0),
        (f32::MIN, f32::MAX),
    ] {
        assert!(fill_uniform(&mut s, low, high, &mut x).is_err());
    }
    assert!(fill_normal(&mut s, f32::NAN, 1.0, &mut x).is_err());
    assert!(fill_normal(&mut s, 0.0, -1.0, &mut x).is_err());
}

#[test]
fn bernoulli_agrees_with_the_other_library() {
    let mut keep = vec![false; N];
    for probability in [0.1, 0.5, 0.9] {
        fill_bernoulli(&mut stream(8, "x"), probability, &mut keep).unwrap();
        let ours = keep.iter().filter(|&&k| k).count() as f64;
        let theirs = Bernoulli::new(f64::from(probability)).unwrap();
        let theirs = theirs.sample_iter(stream(9, "x")).take(N);
        let theirs = theirs.filter(|&k| k).count() as f64;
        let expected = f64::from(probability) * N as f64;
        let error = (N as f64 * f64::from(probability * (1.0 - probability))).sqrt();
        assert!((ours - expected).abs() < 4.0 * error);
        assert!((ours - theirs).abs() < 6.0 * error);
    }
    fill_bernoulli(&mut stream(8, "x"), 0.0, &mut keep).unwrap();
    assert!(keep.iter().all(|&k| !k));
    fill_bernoulli(&mut stream(8, "x"), 1.0, &mut keep).unwrap();
    assert!(keep.iter().all(|&k| k));
    for bad in [-0.1, 1.1, f32::NAN] {
        assert!(fill_bernoulli(&mut stream(8, "x"), bad, &mut keep).is_err());
    }
}

#[test]
fn below_is_unbiased() {
    // Three quarters of the words: a remainder would give the first third twice as often.
    let n = 3 << 30;
    let mut s = stream(10, "x");
    let low = (0..N).filter(|_| below(&mut s, n) < 1 << 30).count() as f64;
    assert!((low / N as f64 - 1.0 / 3.0).abs() < 0.005, "{low}");
    let mut counts = [0; 7];
    (0..70_000).for_each(|_| counts[below(&mut s, 7) as usize] += 1);
    assert!(
        counts.iter().all(|&c: &i32| (c - 10_000).abs() < 400),
        "{counts:?}"
    );
    assert_eq!(below(&mut s, 1), 0);
    assert_eq!(below(&mut s, 0), 0);
}

#[test]
fn shuffling_permutes_fairly() {
    let mut s = stream(11, "x");
    let mut counts = [[0i32; 5]; 5];
    for _ in 0..20_000 {
        let mut values = [0, 1, 2, 3, 4];
        shuffle(&mut s, &mut values);
        (0..5).for_each(|place| counts[place][values[place]] += 1);
        values.sort_unstable();
        assert_eq!(values, [0, 1, 2, 3, 4]);
    }
    assert!(
        counts.iter().flatten().all(|c| (c - 4000).abs() < 300),
        "{counts:?}"
    );
    shuffle::<u8>(&mut s, &mut []);
}

#[test]
fn levels_agree() {
    let words: Vec<u8> = (0..4 * 1001u32).map(|i| ((i * i) >> 3) as u8).collect();
    for threshold in [0, 1, 1 << 31, u64::from(u32::MAX), 1 << 32] {
        let at = |isa| {
            let mut out = vec![false; 1001];
            below_threshold_at(isa, &words, threshold, &mut out);
            out
        };
        let expected = at(Isa::Scalar);
        for isa in Isa::available() {
            assert_eq!(at(isa), expected);
        }
    }
}

/// The largest distance between the distribution of `values` and a cumulative one (Kolmogorov and
/// Smirnov), times the root of their number.
fn distance(mut values: Vec<f64>, cumulative: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let pairs = values.iter().enumerate();
    let far = pairs.map(|(i, &x)| {
        let (below, above) = (i as f64 / n, (i + 1) as f64 / n);
        (cumulative(x) - below).max(above - cumulative(x))
    });
    far.fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn symmetric_beta_values_have_the_exact_distributions() {
    let draw = |alpha: f32| -> Vec<f64> {
        let mut stream = stream(8, "beta");
        let draw = |_| f64::from(symmetric_beta(&mut stream, alpha).unwrap());
        (0..N).map(draw).collect()
    };
    type Cumulative = fn(f64) -> f64;
    let known: [(f32, Cumulative); 4] = [
        (0.5, |x| x.sqrt().asin() / std::f64::consts::FRAC_PI_2),
        (1.0, |x| x),
        (1.5, |x| {
            let theta = x.sqrt().asin();
            (theta - (4.0 * theta).sin() / 4.0) / std::f64::consts::FRAC_PI_2
        }),
        (3.0, |x| x * x * x * (10.0 - 15.0 * x + 6.0 * x * x)),
    ];
    for (alpha, cumulative) in known {
        // Beyond 1.95 lies one in a thousand.
        let far = distance(draw(alpha), cumulative);
        assert!(far < 1.95, "{alpha}: {far}");
        // The test tells neighbours apart.
        let wrong = distance(draw(alpha * 1.1), cumulative);
        assert!(wrong > 1.95, "{alpha}: {wrong}");
    }
    for alpha in [0.001, 0.1, 0.3, 8.0, 1000.0] {
        let values = draw(alpha);
        assert!(values.iter().all(|x| (0.0..=1.0).contains(x)));
        let [mean, variance, ..] = moments(values.into_iter());
        let exact = 1.0 / (4.0 * (2.0 * f64::from(alpha) + 1.0));
        let error = 4.0 * (exact / N as f64).sqrt();
        assert!((mean - 0.5).abs() < error, "{alpha}: {mean}");
        assert!((variance / exact - 1.0).abs() < 0.02, "{alpha}: {variance}");
    }
    let mut stream = stream(9, "beta");
    for alpha in [0.0, -1.0, 1001.0, f32::NAN, f32::INFINITY] {
        let error = symmetric_beta(&mut stream, alpha).unwrap_err().to_string();
        assert!(error.contains("alpha"), "{error}");
    }
}
