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

/// Candidates that are evaluated side by side.
const LANES: usize = 4;

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
            // Of the last row only the last entry is needed.
            let first = if m == clusters { n } else { m };
            let (next, splits) = rows.prefix.next_row(&row, m, first, n);
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
                again = self.splits_of(block, m, end);
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

    /// The split points of the rows of `block` up to row `last`, computed again, as far as they
    /// are needed to follow those of the first `end` values.
    fn splits_of(&self, block: usize, last: usize, end: usize) -> Vec<Vec<u32>> {
        let mut row = self.kept[block].clone();
        let mut all = Vec::new();
        for m in block * BLOCK + 1..=last {
            let first = if m == last { end } else { m };
            let (next, splits) = self.prefix.next_row(&row, m, first, end);
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

    /// Entries `first` (at least `m`) to `end` of row `m` of gains and of best split points, from
    /// row `m − 1`; those before are not filled.
    fn next_row(
        &self,
        previous: &[f64],
        m: usize,
        first: usize,
        end: usize,
    ) -> (Vec<f64>, Vec<u32>) {
        let mut gains = vec![f64::NEG_INFINITY; end + 1];
        let mut splits = vec![0; end + 1];
        // The clusters before need m − 1 values.
        let candidates = (m - 1, end - 1);
        self.divide(
            previous,
            first,
            candidates,
            &mut gains[first..],
            &mut splits[first..],
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
        if from == to {
            // Nothing to choose.
            for (j, (gain, split)) in gains.iter_mut().zip(splits).enumerate() {
                *split = from as u32;
                *gain = self.gain(previous, first + j, from);
            }
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

    /// With `i` as the split point before the last of the first `end` values.
    fn gain(&self, previous: &[f64], end: usize, i: usize) -> f64 {
        let difference = self.sums[end] - self.sums[i];
        previous[i] + difference * difference / (self.weights[end] - self.weights[i])
    }

    /// The first best `i` in `from..=to` below `end`, and the gain with it.
    ///
    /// Candidates `LANES` apart are compared with each other first, so that quotients do not
    /// wait for comparisons, and then the lanes.
    fn best_split(&self, previous: &[f64], end: usize, from: usize, to: usize) -> (usize, f64) {
        let to = to.min(end - 1);
        let (sum, weight) = (self.sums[end], self.weights[end]);
        let gain = |s: f64, w: f64, p: f64| {
            let difference = sum - s;
            p + difference * difference / (weight - w)
        };
        let (sums, sums_rest) = self.sums[from..=to].as_chunks::<LANES>();
        let (weights, weights_rest) = self.weights[from..=to].as_chunks::<LANES>();
        let (earlier, earlier_rest) = previous[from..=to].as_chunks::<LANES>();
        let mut best = [f64::NEG_INFINITY; LANES];
        let mut at = [0u64; LANES];
        for (chunk, ((s, w), p)) in sums.iter().zip(weights).zip(earlier).enumerate() {
            for lane in 0..LANES {
                let found = gain(s[lane], w[lane], p[lane]);
                let better = found > best[lane];
                best[lane] = if better { found } else { best[lane] };
                at[lane] = if better { chunk as u64 } else { at[lane] };
            }
        }
        let (mut first, mut most) = (0, f64::NEG_INFINITY);
        for lane in 0..LANES {
            let index = at[lane] as usize * LANES + lane;
            if best[lane] > most || (best[lane] == most && index < first) {
                (first, most) = (index, best[lane]);
            }
        }
        let rest = sums_rest.iter().zip(weights_rest).zip(earlier_rest);
        for (i, ((s, w), p)) in rest.enumerate() {
            let found = gain(*s, *w, *p);
            if found > most {
                (first, most) = (sums.len() * LANES + i, found);
            }
        }
        (from + first, most)
    }
}

#[cfg(test)]
mod tests;
