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
//! for `e` one of the two edges of the bin in which boundary `i` lies, `gap(i)` a bound of
//! `c(i+1) − c(i)`. Any known solution is a lower bound of the left side, so a bin with too small
//! a right side does not hold boundary `i`. The bins that are left also bound the gaps, so the
//! bound is applied again until nothing changes. Where it leaves much (a few distinct values, a
//! flat optimum) the bands are wide and the program does more, never something else.
//!
//! # References
//! The bound over bins is this project's; [`super`] has the references of the program.

use super::Points;
use super::rows::{BLOCK, Prefix, Row};

/// Bins of equal weight, and as many of equal width beside them.
const BINS: usize = 4096;
/// Distinct values below which the whole program is as fast.
const FEW: usize = 4 * BINS;
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
        if clusters < 2 || points.len() < FEW {
            return None;
        }
        let bins = Bins::new(points, prefix);
        if bins.edges.len() <= 2 * clusters {
            return None;
        }
        let (below, above) = rayon::join(
            || bins.gains(&bins.prefix, clusters),
            || bins.gains(&bins.prefix.reversed(), clusters),
        );
        let mut ends = below.ends(&bins.edges);
        let known = refine(points, prefix, &mut ends);
        let bands = bins.bands(&below, &above, known)?;
        // The split points of all bands are kept.
        let entries: usize = bands.0.iter().map(|(low, high)| high - low + 1).sum();
        (entries <= BLOCK * points.len()).then_some(bands)
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
}

/// Gains of clusters of the first bins, for each number of clusters from 0.
struct Gains {
    rows: Vec<Vec<f64>>,
    splits: Vec<Vec<u32>>,
}

impl<'a> Bins<'a> {
    fn new(points: &'a Points, prefix: &Prefix) -> Self {
        let n = points.len();
        let (first, last) = (points.values[0], points.values[n - 1]);
        let weight = prefix.weights[n];
        let mut edges = vec![0, n];
        for bin in 1..BINS {
            let part = bin as f64 / BINS as f64;
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
                .map(|i| self.gap(&allowed, i) * self.widest(allowed[i]))
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
        let mut least = 0;
        let mut band = |&(first, last): &(usize, usize)| {
            // Each cluster holds a value.
            least = (least + 1).max(self.edges[first]);
            (least <= self.edges[last + 1]).then_some((least, self.edges[last + 1]))
        };
        allowed
            .iter()
            .map(&mut band)
            .collect::<Option<_>>()
            .map(Bands)
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

    fn widest(&self, (first, last): (usize, usize)) -> f64 {
        self.spreads[first..=last]
            .iter()
            .copied()
            .fold(0.0, f64::max)
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
