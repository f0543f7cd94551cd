//! Where the boundaries of the optimal clusters can lie: the dynamic program need not look
//! elsewhere.
//!
//! The values are cut into bins. Over the bins' edges alone the program is cheap, and it is run
//! from both ends: `T(i, e)` is the gain of the best clusters whose boundary `i` is the edge `e`,
//! clusters without values allowed.
//!
//! Take an optimal solution, with means `c` and with the midpoints `m` between them, where a value
//! goes to the nearest mean. Move all of its boundaries in a bin to the bin's right edge, or all to
//! its left one, and keep the means. A value `x` that boundary `i` passes costs
//! `2·(c(i+1) − c(i))·|x − m(i)|` more, so both directions together cost
//! `2·(c(i+1) − c(i))·Σ|x − m(i)|` over the bin, and the better one at most half of that for all
//! boundaries of the bin. The midpoint lies within the bin's values, so `Σ|x − m(i)|` is at most
//! what it is from the first or from the last of them. What is reached is a solution over edges:
//!
//! ```text
//! gain of the optimum ≤ T(i, e) + Σ over i of gap(i) · max over bins of spread(bin)
//! ```
//!
//! for `e` one of the two edges of the bin in which boundary `i` lies, and `gap(i)` a bound of
//! `c(i+1) − c(i)`, which is small where many values lie in between, since they cost. Any known solution is a lower bound of the left side, so a bin with too small
//! a right side does not hold boundary `i`. The bins that are left also bound the gaps, so the
//! bound is applied again until nothing changes. Where it leaves much (a few distinct values, a
//! flat optimum) the bands are wide and the program does more, never something else.
//!
//! # References
//! The bound over bins is this project's; [`super`] has the references of the program.

use super::Points;
use super::rows::{Prefix, Row};

/// Bins of equal weight for each cluster, and as many of equal width beside them.
const BINS: usize = 256;
/// The fewest and the most of each kind.
const LEAST: usize = 2048;
const MOST: usize = 1 << 15;
/// Distinct values for each bin below which the whole program is as fast.
const FEW: usize = 8;
/// The most split points that are kept, of 4 bytes.
const KEPT: usize = 1 << 27;
/// What rounding may add to a gain, relative to all gains.
const ROUNDING: f64 = 1e-12;
/// The most times that the bound is applied, and that a solution is refined.
const ROUNDS: usize = 100;

/// For each boundary between two clusters how many values at least and at most lie below it.
#[derive(Debug)]
pub(super) struct Bands(Vec<(usize, usize)>);

impl Bands {
    /// None where the whole program is to be run.
    pub(super) fn around_optimum(
        points: &Points,
        prefix: &Prefix,
        clusters: usize,
    ) -> Option<Bands> {
        let bins = (BINS * clusters).clamp(LEAST, MOST).min(points.len() / FEW);
        if clusters < 2 || bins < LEAST {
            return None;
        }
        let mut bins = Bins::new(points, prefix, bins);
        if bins.edges.len() <= 2 * clusters {
            return None;
        }
        let (below, above) = rayon::join(
            || bins.gains(&bins.prefix, clusters),
            || bins.gains(&bins.prefix.reversed(), clusters),
        );
        let mut ends = below.ends(&bins.edges);
        let known = refine(points, prefix, &mut ends);
        bins.bound_gaps(prefix.squares - known);
        let bands = bins.bands(&below, &above, known)?;
        // The split points of all bands are kept.
        (bands.entries() <= KEPT).then_some(bands)
    }

    /// Of how many values lie below each boundary at least and at most. None where this leaves a
    /// cluster without values.
    pub(super) fn new(mut ranges: Vec<(usize, usize)>) -> Option<Bands> {
        let mut least = 0;
        for (low, high) in &mut ranges {
            least = (least + 1).max(*low);
            *low = least;
            if least > *high {
                return None;
            }
        }
        Some(Bands(ranges))
    }

    /// How many places for a boundary there are in all.
    pub(super) fn entries(&self) -> usize {
        self.0.iter().map(|(low, high)| high - low + 1).sum()
    }

    /// Where the best clusters within the bands end, after where the first begins.
    pub(super) fn cluster_ends(&self, prefix: &Prefix) -> Vec<usize> {
        let n = prefix.sums.len() - 1;
        let (mut gains, mut base) = (vec![0.0], 0);
        let mut splits = Vec::with_capacity(self.0.len() + 1);
        for &(low, high) in self.0.iter().chain([&(n, n)]) {
            let previous = Row {
                gains: &gains,
                base,
            };
            let candidates = (base, base + gains.len() - 1);
            let length = high + 1 - low;
            let (mut next, mut best) = (vec![f64::NEG_INFINITY; length], vec![0; length]);
            prefix.divide(previous, low, candidates, &mut next, &mut best);
            splits.push((low, best));
            (gains, base) = (next, low);
        }
        let mut ends = vec![n];
        let mut end = n;
        for (low, best) in splits.iter().rev() {
            end = best[end - low] as usize;
            ends.push(end);
        }
        ends.reverse();
        ends
    }
}

/// Bins of values.
struct Bins<'a> {
    points: &'a Points,
    /// Values below each edge; the first is 0, the last all.
    edges: Vec<usize>,
    /// The sums below each edge.
    prefix: Prefix,
    /// `max(Σ(x − first), Σ(last − x))` of each bin.
    spreads: Vec<f64>,
    /// A bound of the distance between the two means whose midpoint lies in a bin.
    gaps: Vec<f64>,
}

/// Gains of clusters of the first bins, for each number of clusters from 0.
struct Gains {
    rows: Vec<Vec<f64>>,
    splits: Vec<Vec<u32>>,
}

impl<'a> Bins<'a> {
    fn new(points: &'a Points, prefix: &Prefix, count: usize) -> Self {
        let n = points.len();
        let (first, last) = (points.values[0], points.values[n - 1]);
        let weight = prefix.weights[n];
        let mut edges = vec![0, n];
        for bin in 1..count {
            let part = bin as f64 / count as f64;
            let heavy = weight * part;
            edges.push(prefix.weights.partition_point(|w| *w < heavy).min(n));
            let far = first + (last - first) * part;
            edges.push(points.values.partition_point(|v| *v < far));
        }
        edges.sort_unstable();
        edges.dedup();
        let of_edges = |values: &[f64]| edges.iter().map(|&e| values[e]).collect();
        let at_edges = Prefix {
            sums: of_edges(&prefix.sums),
            weights: of_edges(&prefix.weights),
            centre: prefix.centre,
            squares: prefix.squares,
        };
        let spread = |bin: &[usize]| {
            // Relative to the first value of the bin.
            let from = points.values[bin[0]];
            let width = points.values[bin[1] - 1] - from;
            let weight = prefix.weights[bin[1]] - prefix.weights[bin[0]];
            let above = (prefix.mean(bin[0], bin[1]) - from) * weight;
            above.max(width * weight - above)
        };
        Bins {
            points,
            spreads: edges.windows(2).map(spread).collect(),
            gaps: vec![last - first; edges.len() - 1],
            edges,
            prefix: at_edges,
        }
    }

    /// The most that up to `clusters` clusters of the first bins gain.
    fn gains(&self, prefix: &Prefix, clusters: usize) -> Gains {
        let end = prefix.sums.len() - 1;
        let mut row = vec![f64::NEG_INFINITY; end + 1];
        row[0] = 0.0;
        let mut gains = Gains {
            rows: vec![row],
            splits: Vec::new(),
        };
        for m in 1..=clusters {
            let previous = &gains.rows[m - 1];
            let row = Row {
                gains: previous,
                base: 0,
            };
            let (mut next, splits) = prefix.next_row(row, m, m, end);
            for (next, fewer) in next.iter_mut().zip(previous) {
                *next = next.max(*fewer);
            }
            gains.rows.push(next);
            gains.splits.push(splits);
        }
        gains
    }

    /// The bins where each boundary of a solution can lie that gains `known` or more.
    fn bands(&self, below: &Gains, above: &Gains, known: f64) -> Option<Bands> {
        let (bins, clusters) = (self.spreads.len(), below.rows.len() - 1);
        let needed = known - ROUNDING * known.abs();
        let mut allowed = vec![(0, bins - 1); clusters - 1];
        for _ in 0..ROUNDS {
            let moved: f64 = (0..clusters - 1)
                .map(|i| self.moved(allowed[i], self.gap(&allowed, i)))
                .sum();
            let narrowed: Option<Vec<_>> = (0..clusters - 1)
                .map(|i| {
                    let through = |edge: usize| {
                        below.rows[i + 1][edge] + above.rows[clusters - 1 - i][bins - edge]
                    };
                    let possible =
                        |&bin: &usize| through(bin).max(through(bin + 1)) + moved >= needed;
                    let (first, last) = allowed[i];
                    let first = (first..=last).find(possible)?;
                    let last = (first..=last).rev().find(possible)?;
                    Some((first, last))
                })
                .collect();
            let narrowed = narrowed?;
            if narrowed == allowed {
                break;
            }
            allowed = narrowed;
        }
        let ends = |(first, last): (usize, usize)| (self.edges[first], self.edges[last + 1]);
        Bands::new(allowed.into_iter().map(ends).collect())
    }

    /// A bound of the distance between the means on both sides of boundary `i`: from the least
    /// value that the cluster below can hold to the greatest of the one above.
    fn gap(&self, allowed: &[(usize, usize)], i: usize) -> f64 {
        let least = if i == 0 {
            0
        } else {
            self.edges[allowed[i - 1].0]
        };
        let most = match allowed.get(i + 1) {
            Some(next) => self.edges[next.1 + 1],
            None => self.points.len(),
        };
        self.points.values[most - 1] - self.points.values[least]
    }

    /// What it costs at most to move a boundary from within its bin to an edge of the bin.
    fn moved(&self, (first, last): (usize, usize), gap: f64) -> f64 {
        let of_bins = self.gaps[first..=last]
            .iter()
            .zip(&self.spreads[first..=last]);
        of_bins
            .map(|(own, spread)| own.min(gap) * spread)
            .fold(0.0, f64::max)
    }

    /// Bounds the gaps, given that an optimal solution costs no more than `cost`: what lies within
    /// a quarter of a gap of the midpoint costs a sixteenth of its square.
    fn bound_gaps(&mut self, cost: f64) {
        let value = |i: usize| self.points.values[i];
        let weight = &self.prefix.weights;
        let first: Vec<f64> = self
            .edges
            .iter()
            .take(self.gaps.len())
            .map(|&e| value(e))
            .collect();
        let last: Vec<f64> = self.edges[1..].iter().map(|&e| value(e - 1)).collect();
        let mut gap = last[last.len() - 1] - first[0];
        let mut any = true;
        while any {
            any = false;
            let quarter = gap / 4.0;
            // The bins that lie within a quarter of any midpoint in this one.
            let (mut low, mut high) = (0, 0);
            for bin in 0..first.len() {
                while low < first.len() && first[low] < last[bin] - quarter {
                    low += 1;
                }
                while high < last.len() && last[high] <= first[bin] + quarter {
                    high += 1;
                }
                if low < high && (weight[high] - weight[low]) * quarter * quarter > cost {
                    self.gaps[bin] = gap;
                    any = true;
                }
            }
            gap *= 0.8;
        }
    }
}

impl Gains {
    /// Where the best clusters of all bins end, after where the first begins.
    fn ends(&self, edges: &[usize]) -> Vec<usize> {
        let mut bin = edges.len() - 1;
        let mut ends = vec![edges[bin]];
        for splits in self.splits.iter().rev() {
            bin = splits[bin] as usize;
            ends.push(edges[bin]);
        }
        ends.reverse();
        ends
    }
}

/// Moves the boundaries to the midpoints between the means until nothing changes, and returns
/// the gain of the best solution on the way.
fn refine(points: &Points, prefix: &Prefix, ends: &mut Vec<usize>) -> f64 {
    let mut best = gain(prefix, ends);
    for _ in 0..ROUNDS {
        let mut next = ends.clone();
        for (i, end) in next.iter_mut().enumerate().skip(1).take(ends.len() - 2) {
            let middle =
                0.5 * (prefix.mean(ends[i - 1], ends[i]) + prefix.mean(ends[i], ends[i + 1]));
            *end = points.values.partition_point(|v| *v < middle);
        }
        let found = gain(prefix, &next);
        let increasing = next.windows(2).all(|pair| pair[0] < pair[1]);
        if !increasing || found <= best {
            break;
        }
        (best, *ends) = (found, next);
    }
    best
}

/// What the clusters between the ends take off the sum of squares.
fn gain(prefix: &Prefix, ends: &[usize]) -> f64 {
    let of_cluster = |pair: &[usize]| {
        let sum = prefix.sums[pair[1]] - prefix.sums[pair[0]];
        sum * sum / (prefix.weights[pair[1]] - prefix.weights[pair[0]])
    };
    ends.windows(2).map(of_cluster).sum()
}
