//! Against every assignment, the plain recurrence, and Lloyd's iteration.

use super::bounds::from_bins;
use super::rows::BLOCK;
use super::*;
use compress_core::rng;
use proptest::prelude::*;

/// Sum of squared distances to the nearest level.
fn error(values: &[f32], levels: &[f32]) -> f64 {
    let distance = |v: &f32| {
        let to = |l: &f32| (f64::from(*v) - f64::from(*l)).powi(2);
        levels.iter().map(to).fold(f64::INFINITY, f64::min)
    };
    values.iter().map(distance).sum()
}

fn mean_and_error(values: &[f32]) -> (f64, f64) {
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len().max(1) as f64;
    let error = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum();
    (mean, error)
}

/// The least error of all assignments of values to `k` means (and to zero, if pinned): no
/// use is made of order, so it also checks that clusters are intervals.
fn brute_force(values: &[f32], k: usize, pinned: bool) -> f64 {
    let clusters = k as u32;
    let mut best = f64::INFINITY;
    for code in 0..clusters.pow(values.len() as u32) {
        let mut total = 0.0;
        for cluster in 0..clusters {
            let digit = |i: usize| code / clusters.pow(i as u32) % clusters;
            let members = (0..values.len()).filter(|&i| digit(i) == cluster);
            let members: Vec<f32> = members.map(|i| values[i]).collect();
            total += if pinned && cluster == 0 {
                members.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>()
            } else {
                mean_and_error(&members).1
            };
        }
        best = best.min(total);
    }
    best
}

fn lloyd(values: &[f32], mut levels: Vec<f64>) -> f64 {
    for _ in 0..100 {
        let mut sums = vec![(0.0, 0.0); levels.len()];
        for v in values.iter().map(|v| f64::from(*v)) {
            let distances = levels.iter().map(|l| (v - l).abs());
            let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
            let sum = &mut sums[nearest.unwrap().0];
            *sum = (sum.0 + v, sum.1 + 1.0);
        }
        for (level, (sum, count)) in levels.iter_mut().zip(sums) {
            *level = if count > 0.0 { sum / count } else { *level };
        }
    }
    let levels: Vec<f32> = levels.iter().map(|l| *l as f32).collect();
    error(values, &levels)
}

fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        3 => (-20i32..20).prop_map(|i| i as f32 / 4.0),
        3 => -1.0f32..1.0,
        1 => Just(0.0f32),
        1 => Just(-0.0f32),
        1 => 1e3f32..1e4,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn as_good_as_every_assignment(
        values in prop::collection::vec(value(), 1..8),
        k in 1usize..4,
    ) {
        let total: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        let tolerance = 1e-12 * (1.0 + total);
        // The levels are rounded to f32.
        let rounding: f64 = values.len() as f64 * total * 1e-14;
        let free = error(&values, &optimal_kmeans("w", &values, k).unwrap());
        let best = brute_force(&values, k, false);
        prop_assert!((free - best).abs() <= tolerance + rounding, "{} {}", free, best);
        let levels = optimal_kmeans_with_zero("w", &values, k).unwrap();
        let pinned = error(&values, &levels);
        let best = brute_force(&values, k, true);
        prop_assert!((pinned - best).abs() <= tolerance + rounding, "{} {}", pinned, best);
        prop_assert!(levels.contains(&0.0) && levels.len() <= k);
        prop_assert!(levels.windows(2).all(|l| l[0] < l[1]));
    }
}

#[test]
fn never_worse_than_lloyd_from_many_starts() {
    let mut stream = rng::stream(1, "values");
    let values: Vec<f32> = (0..600)
        .map(|_| {
            (0..4)
                .map(|_| rng::uniform(&mut stream) - 0.5)
                .product::<f32>()
                * 16.0
        })
        .collect();
    for k in [2, 5, 16, 40] {
        let optimum = error(&values, &optimal_kmeans("w", &values, k).unwrap());
        for start in 0..20 {
            let mut stream = rng::indexed(1, "start", start);
            let pick = |_| f64::from(values[rng::below(&mut stream, 600) as usize]);
            let found = lloyd(&values, (0..k).map(pick).collect());
            assert!(optimum <= found * (1.0 + 1e-6), "{k}: {optimum} {found}");
        }
    }
}

/// The recurrence as it is written, in O(levels · n²).
fn plain_recurrence(sorted: &[f32], levels: usize) -> f64 {
    let n = sorted.len();
    let cost = |i: usize, j: usize| mean_and_error(&sorted[i..j]).1;
    let costs: Vec<Vec<f64>> = (0..=n)
        .map(|j| (0..j).map(|i| cost(i, j)).collect())
        .collect();
    let mut row = vec![f64::INFINITY; n + 1];
    row[0] = 0.0;
    for _ in 0..levels {
        let best = |j: usize| {
            let through = (0..j).map(|i| row[i] + costs[j][i]);
            through.fold(f64::INFINITY, f64::min)
        };
        row = (0..=n).map(best).collect();
    }
    row[n]
}

#[test]
fn as_good_as_the_plain_recurrence_over_several_blocks_of_rows() {
    let mut stream = rng::stream(2, "values");
    let draw = |_| (rng::uniform(&mut stream) - 0.3) * rng::uniform(&mut stream);
    let mut values: Vec<f32> = (0..240).map(draw).collect();
    values.sort_by(f32::total_cmp);
    for levels in [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 2] {
        let expected = plain_recurrence(&values, levels);
        let found = optimal_kmeans("w", &values, levels).unwrap();
        let free = error(&values, &found);
        assert!(
            (free - expected).abs() <= 1e-6 * expected,
            "{levels}: {free} {expected}"
        );
        let with_zero = optimal_kmeans_with_zero("w", &values, levels + 1).unwrap();
        let pinned = error(&values, &with_zero);
        assert!(
            pinned <= expected * (1.0 + 1e-6),
            "{levels}: {pinned} {expected}"
        );
        let more = plain_recurrence(&values, levels + 1);
        assert!(pinned >= more * (1.0 - 1e-6), "{levels}: {pinned} {more}");
    }
}

#[test]
fn kept_rows_give_the_same_clusters() {
    // Clusters of three, far apart: the optimum is known for every number of them.
    let clusters = 3 * BLOCK + 5;
    let values: Vec<f32> = (0..clusters)
        .flat_map(|c| [0.0, 0.25, 0.5].map(|d| c as f32 * 100.0 + d + 1.0))
        .collect();
    let expected: Vec<f32> = (0..clusters).map(|c| c as f32 * 100.0 + 1.25).collect();
    assert_eq!(optimal_kmeans("w", &values, clusters).unwrap(), expected);
    let mut pinned = vec![0.0];
    pinned.extend(&expected);
    assert_eq!(
        optimal_kmeans_with_zero("w", &values, clusters + 1).unwrap(),
        pinned
    );
    let mirrored: Vec<f32> = values.iter().map(|v| -v).collect();
    let mut negative: Vec<f32> = pinned.iter().rev().map(|v| 0.0 - v).collect();
    negative.sort_by(f32::total_cmp);
    assert_eq!(
        optimal_kmeans_with_zero("w", &mirrored, clusters + 1).unwrap(),
        negative
    );
}

#[test]
fn few_values_are_represented_exactly() {
    let values = [3.0, -1.0, 3.0, 0.5, -0.0, 0.0];
    let expected = [-1.0, 0.0, 0.5, 3.0];
    for k in [4, 5, 256] {
        assert_eq!(optimal_kmeans("w", &values, k).unwrap(), expected);
        assert_eq!(optimal_kmeans_with_zero("w", &values, k).unwrap(), expected);
    }
    assert_eq!(optimal_kmeans("w", &[7.5; 4], 3).unwrap(), [7.5]);
    assert_eq!(optimal_kmeans_with_zero("w", &[7.5; 4], 1).unwrap(), [0.0]);
    assert_eq!(
        optimal_kmeans_with_zero("w", &[-7.5; 4], 2).unwrap(),
        [-7.5, 0.0]
    );
}

#[test]
fn duplicates_count_as_often_as_they_occur() {
    let mut values = vec![0.0; 99];
    values.extend([1.0, 10.0]);
    let levels = optimal_kmeans("w", &values, 2).unwrap();
    assert_eq!(levels, [0.01, 10.0]);
}

#[test]
fn an_offset_moves_the_levels_alone() {
    let values: Vec<f32> = (0..200).map(|i| (i * i % 101) as f32 / 128.0).collect();
    let moved: Vec<f32> = values.iter().map(|v| v + 4096.0).collect();
    let levels = optimal_kmeans("w", &values, 7).unwrap();
    let far = optimal_kmeans("w", &moved, 7).unwrap();
    for (a, b) in levels.iter().zip(far) {
        assert!((f64::from(*a) + 4096.0 - f64::from(b)).abs() < 5e-4);
    }
}

#[test]
fn refuses_what_it_cannot_do() {
    assert!(optimal_kmeans("w", &[], 2).is_err());
    assert!(optimal_kmeans("w", &[1.0], 0).is_err());
    assert!(optimal_kmeans_with_zero("w", &[1.0], 0).is_err());
    let error = optimal_kmeans("layers.3.weight", &[1.0, f32::NAN], 2).unwrap_err();
    assert!(error.to_string().contains("layers.3.weight"), "{error}");
    assert!(error.to_string().contains("index 1"), "{error}");
}

/// Values of several kinds, enough of them that the bands are used.
fn many(kind: usize, count: usize) -> Vec<f32> {
    let mut stream = rng::indexed(3, "many", kind as u64);
    let mut draw = |i: usize| {
        let mut uniform = || rng::uniform(&mut stream);
        let normal = (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
        match kind {
            0 => normal,
            // Two groups far apart, and nothing in between.
            1 => normal + if uniform() < 0.3 { 1e4 } else { 0.0 },
            // Heavy tails.
            2 => normal / (0.01 + uniform()).powi(3),
            // Many duplicates, evenly spaced: many optimal solutions.
            3 => (uniform() * 20_000.0).floor(),
            // Most values are one value.
            4 => {
                if uniform() < 0.5 {
                    0.0
                } else {
                    normal
                }
            }
            // Evenly spaced, mirrored, one outlier.
            5 => {
                if i == 7 {
                    1e30
                } else {
                    i as f32 - count as f32 / 2.0
                }
            }
            _ => uniform(),
        }
    };
    (0..count).map(&mut draw).collect()
}

/// The gain of the clusters of all values of the whole program, and where it cuts.
fn whole(points: &Points, clusters: usize) -> (f64, Vec<usize>) {
    let prefix = Prefix::new(points, points.mean(0, points.len()));
    let rows = Rows::fill(prefix, clusters, false);
    (rows.gains[clusters], rows.cluster_ends(clusters))
}

fn gain_of(points: &Points, ends: &[usize]) -> f64 {
    let prefix = Prefix::new(points, points.mean(0, points.len()));
    let gain = |pair: &[usize]| {
        let sum = prefix.sums[pair[1]] - prefix.sums[pair[0]];
        sum * sum / (prefix.weights[pair[1]] - prefix.weights[pair[0]])
    };
    ends.windows(2).map(gain).sum()
}

#[test]
fn bands_hold_the_optimum() {
    for kind in 0..7 {
        let points = Points::distinct(&many(kind, 40_000));
        let prefix = Prefix::new(&points, points.mean(0, points.len()));
        for clusters in [2, 3, 16, 33] {
            let (gain, ends) = whole(&points, clusters);
            let bands = around_optimum(&points, &prefix, clusters);
            // Bands are what makes it fast: on ordinary values there must be some.
            assert!(bands.is_some() || kind > 0, "{kind} {clusters}");
            let Some(bands) = bands else { continue };
            if kind == 0 {
                assert!(
                    bands.entries() < points.len() / 2,
                    "{clusters}: {}",
                    bands.entries()
                );
            }
            let found = bands.cluster_ends(&prefix);
            assert!(
                found.windows(2).all(|pair| pair[0] < pair[1]),
                "{kind} {clusters}"
            );
            let difference = gain_of(&points, &found) - gain;
            assert!(
                difference.abs() <= 1e-13 * gain,
                "{kind} {clusters}: {difference}"
            );
            if kind == 0 || kind == 6 {
                assert_eq!(found, ends, "{kind} {clusters}");
            }
        }
    }
}

/// Values on which bounds are easily wrong: ties, gaps of every size, little to choose from.
fn contrived(kind: usize, count: usize, seed: u64) -> Vec<f32> {
    let mut stream = rng::indexed(seed, "contrived", kind as u64);
    let mut draw = |i: usize| {
        let mut uniform = || rng::uniform(&mut stream);
        let normal = (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
        match kind {
            // Evenly spaced, some of them very heavy.
            0 => (uniform() * uniform() * count as f32).floor(),
            1 => i as f32,
            // Clusters far apart.
            2 => normal + 1000.0 * (uniform() * 7.0).floor(),
            3 => normal * 1e-3 + (1u32 << (i % 12)) as f32,
            // Geometric spacing, and on both sides of zero.
            4 => 1.07f32.powi(i as i32 % 300),
            5 => 1.2f32.powi(i as i32 % 60) * if i.is_multiple_of(2) { -1.0 } else { 1.0 },
            // Two magnitudes.
            6 => normal * if uniform() < 0.5 { 1e-4 } else { 1e4 },
            // One value next to many, mirrored.
            7 => {
                if i.is_multiple_of(3) {
                    normal
                } else {
                    0.5 - (i % 2) as f32
                }
            }
            // Far from zero: neighbours among floats.
            8 => 1e6 + (uniform() * count as f32).floor() / 16.0,
            // One outlier.
            9 if i == 0 => 1e5,
            _ => normal,
        }
    };
    (0..count).map(&mut draw).collect()
}

#[test]
fn bands_of_few_bins_hold_the_optimum_of_contrived_values() {
    let (mut banded, mut narrow) = (0, 0);
    for (kind, seed) in (0..11).flat_map(|kind| (0..6).map(move |seed| (kind, seed))) {
        for count in [40, 200, 900] {
            let points = Points::distinct(&contrived(kind, count, seed));
            let prefix = Prefix::new(&points, points.mean(0, points.len()));
            for clusters in [2, 3, 5, 8, 17, 64] {
                for bins in [clusters + 2, 4 * clusters, points.len() / 2, points.len()] {
                    let bands = from_bins(&points, &prefix, clusters, bins);
                    let Some(bands) = bands else { continue };
                    banded += 1;
                    let places = (points.len() - 1) * (clusters - 1);
                    narrow += usize::from(bands.entries() < places / 2);
                    let (gain, ends) = whole(&points, clusters);
                    let label = format!("{kind} {seed} {count} {clusters} {bins}");
                    let found = bands.cluster_ends(&prefix);
                    let difference = gain_of(&points, &found) - gain_of(&points, &ends);
                    assert!(
                        difference.abs() <= 1e-13 * prefix.squares,
                        "{label}: {difference} of {gain}"
                    );
                    let held = ends[1..clusters].iter().zip(bands.ranges());
                    assert!(
                        held.into_iter()
                            .all(|(e, (low, high))| low <= e && e <= high),
                        "{label}: {ends:?}"
                    );
                }
            }
        }
    }
    // Enough of them say something.
    assert!(banded > 2000 && 3 * narrow > banded, "{narrow} of {banded}");
}

#[test]
fn bands_of_many_clusters_of_a_few_thousand_values() {
    for kind in [0, 2, 5, 6, 10] {
        let points = Points::distinct(&contrived(kind, 4000, 1));
        let prefix = Prefix::new(&points, points.mean(0, points.len()));
        let Some(bands) = from_bins(&points, &prefix, 256, points.len() / 2) else {
            assert!([0, 5].contains(&kind), "{kind}");
            continue;
        };
        let (_, ends) = whole(&points, 256);
        let found = gain_of(&points, &bands.cluster_ends(&prefix));
        let difference = found - gain_of(&points, &ends);
        assert!(
            difference.abs() <= 1e-13 * prefix.squares,
            "{kind}: {difference}"
        );
    }
}

#[test]
fn near_the_optimum_on_values_of_many_kinds() {
    for kind in 0..7 {
        let values = many(kind, 40_000);
        for clusters in [1, 2, 16, 100] {
            let optimum = error(&values, &optimal_kmeans("w", &values, clusters).unwrap());
            let near = near_optimal_kmeans("w", &values, clusters).unwrap();
            assert!(near.windows(2).all(|l| l[0] < l[1]), "{kind} {clusters}");
            let near = error(&values, &near);
            assert!(
                near <= optimum * (1.0 + 1e-4),
                "{kind} {clusters}: {near} {optimum}"
            );
        }
    }
    let equal = vec![3.5; 40_000];
    assert_eq!(near_optimal_kmeans("w", &equal, 16).unwrap(), [3.5]);
    assert!(near_optimal_kmeans("w", &[f32::NAN], 2).is_err());
    assert!(near_optimal_kmeans("w", &[], 2).is_err());
    assert!(near_optimal_kmeans("w", &equal, 0).is_err());
}

#[test]
fn one_and_two_threads_find_the_same_levels() {
    let values = many(0, 150_000);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let exact = optimal_kmeans("w", &values, 16).unwrap();
            (exact, near_optimal_kmeans("w", &values, 16).unwrap())
        })
    };
    assert_eq!(run(1), run(2));
}
