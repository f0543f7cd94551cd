//! Bins of sorted values: the program over their edges, and what it says about the boundaries of
//! the optimal clusters. [`super::bounds`] has the reasons.

use super::bands::Bands;
use super::points::Points;
use super::rows::{Prefix, Row};

/// What rounding may add to a gain, relative to the sum of squares; a lower bound.
const ROUNDING: f64 = 1e-12;

/// The most times that the bound is applied, and that a solution is refined.
pub(super) const ROUNDS: usize = 100;

/// Bins of values.
pub(super) struct Bins<'a> {
    points: &'a Points,
    /// Values below each edge; the first is 0, the last all.
    pub edges: Vec<usize>,
    /// The sums below each edge.
    pub prefix: Prefix,
    /// `max(Σ(x − first), Σ(last − x))` of each bin.
    spreads: Vec<f64>,
    /// A bound of the distance between the two means whose midpoint lies in a bin.
    gaps: Vec<f64>,
}

/// Gains of clusters of the first bins, for each number of clusters from 0.
pub(super) struct Gains {
    rows: Vec<Vec<f64>>,
    splits: Vec<Vec<u32>>,
}

impl<'a> Bins<'a> {
    pub(super) fn new(points: &'a Points, prefix: &Prefix, count: usize) -> Self {
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
    pub(super) fn gains(&self, prefix: &Prefix, clusters: usize) -> Gains {
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
    pub(super) fn bands(&self, below: &Gains, above: &Gains, known: f64) -> Option<Bands> {
        let (bins, clusters) = (self.spreads.len(), below.rows.len() - 1);
        let needed = known - self.rounding(clusters);
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

    /// A bound of how much rounding changes a gain. A prefix sum of centred values is at most half
    /// of √(weight · squares), and off by an ulp of that. The effect on a gain grows with the means
    /// of the clusters, which add up to at most √(clusters · squares).
    fn rounding(&self, clusters: usize) -> f64 {
        let weight = self.prefix.weights[self.prefix.weights.len() - 1];
        let sums = 4.0 * f64::EPSILON * (clusters as f64 * weight).sqrt();
        sums.max(ROUNDING) * self.prefix.squares
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
    pub(super) fn bound_gaps(&mut self, cost: f64) {
        // Rounding may make values count that are a little more than a quarter away. Without cost,
        // gaps end at 0.
        let cost = cost.max(0.0) * (1.0 + 1e-6);
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
    pub(super) fn ends(&self, edges: &[usize]) -> Vec<usize> {
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
