//! K-means in one dimension, solved exactly.
//!
//! In one dimension the optimal clusters are intervals of the sorted values, so dynamic
//! programming finds the global optimum where Lloyd's iteration stops at a local one. With
//! `gain(m, j)` the most that `m` clusters of the first `j` distinct values take off the sum of
//! squares,
//!
//! ```text
//! gain(m, j) = max over i < j of  gain(m − 1, i) + (S(j) − S(i))² / (W(j) − W(i))
//! ```
//!
//! where S and W are prefix sums of values and of how often each occurs. The best `i` does not
//! fall as `j` grows, so each row is filled by divide and conquer in O(n log n).
//!
//! A level pinned at zero is a cluster that takes nothing off. No other cluster of an optimal
//! solution holds values of both signs: a value goes to a positive level only if it lies above
//! half of it. So the negative and the positive values are solved apart, each with a first
//! cluster around zero that is free of gain (`gain(0, j) = 0` for every `j` rather than for
//! `j = 0` alone), for every number of levels at once, and the best division of the levels
//! between the two is taken.
//!
//! Sums are in f64, of values centred on their mean (on zero where it is pinned). Partitions
//! whose squared errors differ by less than about 10⁻¹⁴ of the sum of squares may tie.
//!
//! # References
//! - Wang and Song, *Ckmeans.1d.dp: optimal k-means clustering in one dimension by dynamic
//!   programming*, The R Journal 3/2, 2011: the recurrence.
//! - Grønlund et al., *Fast exact k-means, k-medians and Bregman divergence clustering in 1D*,
//!   1701.07204, sections 2 and 3: monotone rows, and which rows need to be kept.

use compress_core::{Error, Result};

/// Rows of best split points kept at a time; earlier ones are computed again from a row of
/// gains kept every so many.
const BLOCK: usize = 16;

/// Values from which on the two halves of a row are filled in parallel.
const PARALLEL: usize = 1 << 12;

/// The at most `levels` values, ascending, that minimize the sum of squared distances from each
/// of `values` to the nearest of them. Fewer where there are fewer distinct values.
///
/// # Errors
/// Where there are no values, a value is NaN or infinite (`name` says of what), or `levels` is 0.
///
/// ```
/// use compress_quant::optimal_kmeans::optimal_kmeans;
/// let levels = optimal_kmeans("w", &[1.0, 9.0, 2.0, 9.5, 1.5], 2)?;
/// assert_eq!(levels, [1.5, 9.25]);
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn optimal_kmeans(name: &str, values: &[f32], levels: usize) -> Result<Vec<f32>> {
    let points = Points::distinct(name, values, levels)?;
    let centre = points.mean(0, points.len());
    let rows = Rows::fill(&points, centre, levels.min(points.len()), false);
    let ends = rows.cluster_ends(rows.gains.len() - 1);
    Ok(points.levels(&ends))
}

/// As [`optimal_kmeans`], with one of the levels exactly 0 and the others optimal beside it.
///
/// # Errors
/// As for [`optimal_kmeans`].
///
/// ```
/// use compress_quant::optimal_kmeans::optimal_kmeans_with_zero;
/// let levels = optimal_kmeans_with_zero("w", &[0.0, 0.125, 9.0, 10.0], 2)?;
/// assert_eq!(levels, [0.0, 9.5]);
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn optimal_kmeans_with_zero(name: &str, values: &[f32], levels: usize) -> Result<Vec<f32>> {
    let points = Points::distinct(name, values, levels)?;
    let negative = points.part(|v| v < 0.0).mirrored();
    let positive = points.part(|v| v > 0.0);
    let free = levels - 1;
    let below = Rows::fill(&negative, 0.0, free.min(negative.len()), true);
    let above = Rows::fill(&positive, 0.0, free.min(positive.len()), true);

    let (mut best, mut split) = (f64::NEG_INFINITY, (0, 0));
    for (b, gain_below) in below.gains.iter().enumerate() {
        let a = (free.saturating_sub(b)).min(above.gains.len() - 1);
        let gain = gain_below + above.gains[a];
        if b <= free && gain > best {
            (best, split) = (gain, (b, a));
        }
    }
    let mut found = negative.levels(&below.cluster_ends(split.0));
    found.iter_mut().for_each(|level| *level = -*level);
    found.reverse();
    found.push(0.0);
    found.extend(positive.levels(&above.cluster_ends(split.1)));
    Ok(found)
}

/// Distinct values, ascending, and how often each occurs.
#[derive(Debug, Default)]
struct Points {
    values: Vec<f64>,
    counts: Vec<f64>,
}

impl Points {
    fn distinct(name: &str, values: &[f32], levels: usize) -> Result<Self> {
        Error::check_finite(name, values)?;
        if values.is_empty() {
            return Err(Error::Empty { what: name.into() });
        }
        if levels == 0 {
            return Err(Error::invalid(format!("levels of {name}"), 0, "positive"));
        }
        // Adding zero makes −0.0 positive, so that the two zeros are one value.
        let mut sorted: Vec<f32> = values.iter().map(|v| v + 0.0).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let mut points = Points::default();
        for run in sorted.chunk_by(|a, b| a == b) {
            points.values.push(run[0].into());
            points.counts.push(run.len() as f64);
        }
        Ok(points)
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn part(&self, keep: impl Fn(f64) -> bool) -> Points {
        let kept = self.values.iter().zip(&self.counts).filter(|p| keep(*p.0));
        let (values, counts) = kept.map(|(&v, &c)| (v, c)).unzip();
        Points { values, counts }
    }

    fn mirrored(mut self) -> Points {
        self.values.reverse();
        self.values.iter_mut().for_each(|value| *value = -*value);
        self.counts.reverse();
        self
    }

    /// The weighted mean of `from..to`, summed relative to the first value.
    fn mean(&self, from: usize, to: usize) -> f64 {
        let base = self.values[from];
        let (mut sum, mut weight) = (0.0, 0.0);
        for (value, count) in self.values[from..to].iter().zip(&self.counts[from..to]) {
            sum += (value - base) * count;
            weight += count;
        }
        base + sum / weight
    }

    /// The means of the clusters that `ends` divides the values into. What lies before the
    /// first end belongs to no cluster.
    fn levels(&self, ends: &[usize]) -> Vec<f32> {
        // A mean lies within its cluster, and so does the nearest f32: levels stay distinct.
        let mean = |pair: &[usize]| self.mean(pair[0], pair[1]) as f32;
        ends.windows(2).map(mean).collect()
    }
}

/// Prefix sums: entry `j` is over the first `j` values.
struct Prefix {
    sums: Vec<f64>,
    weights: Vec<f64>,
}

/// The rows of the dynamic program.
struct Rows {
    prefix: Prefix,
    /// `gain(m, n)` for each number of clusters `m`, from 0.
    gains: Vec<f64>,
    /// The rows of gains 0, BLOCK, 2·BLOCK, ….
    kept: Vec<Vec<f64>>,
    /// The best split points of the rows after the last kept one.
    splits: Vec<Vec<u32>>,
}

impl Rows {
    /// Fills rows 0 to `clusters`; `pinned` where a first cluster, without gain, is free.
    fn fill(points: &Points, centre: f64, clusters: usize, pinned: bool) -> Rows {
        let prefix = Prefix::new(points, centre);
        let n = points.len();
        let mut row = vec![if pinned { 0.0 } else { f64::NEG_INFINITY }; n + 1];
        row[0] = 0.0;
        let mut rows = Rows {
            prefix,
            gains: vec![row[n]],
            kept: vec![row.clone()],
            splits: Vec::new(),
        };
        for m in 1..=clusters {
            let (next, splits) = rows.prefix.next_row(&row, m);
            row = next;
            rows.gains.push(row[n]);
            rows.splits.push(splits);
            if m % BLOCK == 0 && m < clusters {
                rows.kept.push(row.clone());
                rows.splits.clear();
            }
        }
        rows
    }

    /// Where each of `clusters` clusters of all values ends, after where the first begins.
    fn cluster_ends(&self, clusters: usize) -> Vec<usize> {
        let mut end = self.prefix.sums.len() - 1;
        let mut ends = vec![end];
        let mut m = clusters;
        while m > 0 {
            let block = (m - 1) / BLOCK;
            let again;
            let splits = if block + 1 == self.kept.len() {
                &self.splits
            } else {
                again = self.splits_of(block, m);
                &again
            };
            while m > block * BLOCK {
                end = splits[m - block * BLOCK - 1][end] as usize;
                ends.push(end);
                m -= 1;
            }
        }
        ends.reverse();
        ends
    }

    /// The split points of the rows of `block` up to row `last`, computed again.
    fn splits_of(&self, block: usize, last: usize) -> Vec<Vec<u32>> {
        let mut row = self.kept[block].clone();
        let mut all = Vec::new();
        for m in block * BLOCK + 1..=last {
            let (next, splits) = self.prefix.next_row(&row, m);
            row = next;
            all.push(splits);
        }
        all
    }
}

impl Prefix {
    fn new(points: &Points, centre: f64) -> Prefix {
        let mut prefix = Prefix {
            sums: vec![0.0],
            weights: vec![0.0],
        };
        let (mut sum, mut lost, mut weight) = (0.0, 0.0, 0.0);
        for (value, count) in points.values.iter().zip(&points.counts) {
            // Neumaier's summation, so that every entry is as good as rounded once.
            let term = (value - centre) * count;
            let next: f64 = sum + term;
            let (large, small) = if sum.abs() >= term.abs() {
                (sum, term)
            } else {
                (term, sum)
            };
            lost += (large - next) + small;
            sum = next;
            weight += count;
            prefix.sums.push(sum + lost);
            prefix.weights.push(weight);
        }
        prefix
    }

    /// Row `m` of gains and of best split points, from row `m − 1`.
    fn next_row(&self, previous: &[f64], m: usize) -> (Vec<f64>, Vec<u32>) {
        let n = self.sums.len() - 1;
        let mut gains = vec![f64::NEG_INFINITY; n + 1];
        let mut splits = vec![0; n + 1];
        // The clusters before need m − 1 values.
        self.divide(
            previous,
            m,
            (m - 1, n - 1),
            &mut gains[m..],
            &mut splits[m..],
        );
        (gains, splits)
    }

    /// Fills the entries from `first` on, whose best split points lie in `from..=to`.
    fn divide(
        &self,
        previous: &[f64],
        first: usize,
        (from, to): (usize, usize),
        gains: &mut [f64],
        splits: &mut [u32],
    ) {
        if gains.is_empty() {
            return;
        }
        let middle = gains.len() / 2;
        let (split, gain) = self.best_split(previous, first + middle, from, to);
        let (gains_left, rest) = gains.split_at_mut(middle);
        let (splits_left, splits_rest) = splits.split_at_mut(middle);
        rest[0] = gain;
        splits_rest[0] = split as u32;
        let (gains_right, splits_right) = (&mut rest[1..], &mut splits_rest[1..]);
        let parallel = gains_left.len() >= PARALLEL;
        let mut left = || self.divide(previous, first, (from, split), gains_left, splits_left);
        let next = first + middle + 1;
        let mut right = || self.divide(previous, next, (split, to), gains_right, splits_right);
        if parallel {
            rayon::join(left, right);
        } else {
            left();
            right();
        }
    }

    /// The first best `i` in `from..=to` below `end`, and the gain with it.
    fn best_split(&self, previous: &[f64], end: usize, from: usize, to: usize) -> (usize, f64) {
        let to = to.min(end - 1);
        let (sum, weight) = (self.sums[end], self.weights[end]);
        let (mut best, mut split) = (f64::NEG_INFINITY, from);
        let sums = &self.sums[from..=to];
        let weights = &self.weights[from..=to];
        for (i, ((s, w), p)) in sums
            .iter()
            .zip(weights)
            .zip(&previous[from..=to])
            .enumerate()
        {
            let difference = sum - s;
            let gain = p + difference * difference / (weight - w);
            if gain > best {
                (best, split) = (gain, from + i);
            }
        }
        (split, best)
    }
}

#[cfg(test)]
mod tests {
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
}
