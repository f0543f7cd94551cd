//! The dynamic program: a row for each number of clusters, filled by divide and conquer.

use super::points::Points;

/// Rows of best split points kept at a time. Every so many rows a row of gains is kept, from which
/// earlier split points are computed again.
pub(super) const BLOCK: usize = 16;

/// Candidates that are evaluated side by side.
const LANES: usize = 4;

/// From this many values on, the two halves of a row are filled in parallel.
const PARALLEL: usize = 1 << 12;

/// Some entries of a row of gains.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub gains: &'a [f64],
    /// The number of values that the first entry is for.
    pub base: usize,
}

/// Prefix sums: entry `j` is over the first `j` values.
pub(super) struct Prefix {
    pub sums: Vec<f64>,
    pub weights: Vec<f64>,
    /// What the values were centred on.
    pub centre: f64,
    /// The sum of squares of all, centred, or a little more.
    pub squares: f64,
}

/// The rows of the dynamic program.
pub(super) struct Rows {
    prefix: Prefix,
    /// `gain(m, n)` for each number of clusters `m`, from 0.
    pub gains: Vec<f64>,
    /// The rows of gains 0, BLOCK, 2·BLOCK, ….
    kept: Vec<Vec<f64>>,
    /// The best split points of the rows after the last kept one.
    splits: Vec<Vec<u32>>,
}

impl Rows {
    /// Fills rows 0 to `clusters`. With `pinned`, a first cluster without gain costs nothing.
    pub(super) fn fill(prefix: Prefix, clusters: usize, pinned: bool) -> Rows {
        let n = prefix.sums.len() - 1;
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
            let (next, splits) = rows.prefix.next_row(
                Row {
                    gains: &row,
                    base: 0,
                },
                m,
                first,
                n,
            );
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

    /// Where each of `clusters` clusters of all values ends. The first entry is where the first
    /// begins.
    pub(super) fn cluster_ends(&self, clusters: usize) -> Vec<usize> {
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
            let (next, splits) = self.prefix.next_row(
                Row {
                    gains: &row,
                    base: 0,
                },
                m,
                first,
                end,
            );
            row = next;
            all.push(splits);
        }
        all
    }
}

impl Prefix {
    pub(super) fn new(points: &Points, centre: f64) -> Prefix {
        let mut prefix = Prefix {
            sums: vec![0.0],
            weights: vec![0.0],
            centre,
            squares: 0.0,
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
            prefix.squares += term * (value - centre);
            prefix.sums.push(sum + lost);
            prefix.weights.push(weight);
        }
        // More than what rounding can have taken away.
        prefix.squares *= 1.0 + weight * f64::EPSILON;
        prefix
    }

    /// The mean of the values `from..to`.
    pub(super) fn mean(&self, from: usize, to: usize) -> f64 {
        let sum = self.sums[to] - self.sums[from];
        self.centre + sum / (self.weights[to] - self.weights[from])
    }

    /// The prefix sums of the same values in the opposite order.
    pub(super) fn reversed(&self) -> Prefix {
        let from_end = |of: &[f64]| {
            let all = of[of.len() - 1];
            of.iter().rev().map(|below| all - below).collect()
        };
        Prefix {
            sums: from_end(&self.sums),
            weights: from_end(&self.weights),
            centre: self.centre,
            squares: self.squares,
        }
    }

    /// Fills entries `first` (at least `m`) to `end` of row `m` of gains and of best split points,
    /// from row `m − 1`. Earlier entries stay unfilled.
    pub(super) fn next_row(
        &self,
        previous: Row<'_>,
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
    pub(super) fn divide(
        &self,
        previous: Row<'_>,
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

    /// The gain of the first `end` values where the last cluster begins at `i`.
    fn gain(&self, previous: Row<'_>, end: usize, i: usize) -> f64 {
        let difference = self.sums[end] - self.sums[i];
        previous.gains[i - previous.base]
            + difference * difference / (self.weights[end] - self.weights[i])
    }

    /// The first best `i` in `from..=to` below `end`, and the gain with it.
    ///
    /// Candidates `LANES` apart are compared with each other first, so that quotients do not
    /// wait for comparisons, and then the lanes.
    fn best_split(&self, previous: Row<'_>, end: usize, from: usize, to: usize) -> (usize, f64) {
        let to = to.min(end - 1);
        let (sum, weight) = (self.sums[end], self.weights[end]);
        let gain = |s: f64, w: f64, p: f64| {
            let difference = sum - s;
            p + difference * difference / (weight - w)
        };
        let (sums, sums_rest) = self.sums[from..=to].as_chunks::<LANES>();
        let (weights, weights_rest) = self.weights[from..=to].as_chunks::<LANES>();
        let (earlier, earlier_rest) =
            previous.gains[from - previous.base..=to - previous.base].as_chunks::<LANES>();
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
