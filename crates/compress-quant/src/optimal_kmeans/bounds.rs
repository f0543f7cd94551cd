//! Where the boundaries of the optimal clusters can lie: the dynamic program need not look
//! elsewhere.
//!
//! The values are cut into bins. Over the bins' edges alone the program is cheap, and it is run
//! from both ends: `T(i, e)` is the gain of the best clusters whose boundary `i` is the edge `e`,
//! clusters without values allowed.
//!
//! Take an optimal solution with means `c` and with the midpoints `m` between them; each value goes
//! to the nearest mean. Move all of its boundaries in a bin to the bin's right edge, or all to its
//! left one, and keep the means. A value `x` that boundary `i` passes then costs
//! `2·(c(i+1) − c(i))·|x − m(i)|` more. Both directions together cost
//! `2·(c(i+1) − c(i))·Σ|x − m(i)|` over the bin, so the better one costs at most half of that, for
//! all boundaries of the bin. The midpoint lies within the bin's values, so `Σ|x − m(i)|` is at
//! most what it is from the first or from the last of them. The moved boundaries are a solution
//! over edges, hence
//!
//! ```text
//! gain of the optimum ≤ T(i, e) + Σ over i of gap(i) · max over bins of spread(bin)
//! ```
//!
//! where `e` is one of the two edges of the bin in which boundary `i` lies. `gap(i)` is a bound of
//! `c(i+1) − c(i)`; it is small where many values lie in between, since each of them has a cost.
//! The gain of any known solution is a lower bound of the left side. So a bin whose right side is
//! smaller than that does not hold boundary `i`. The remaining bins give tighter gaps, so the bound
//! is applied again until nothing changes. Where many bins remain (a few distinct values, a flat
//! optimum), the bands are wide: the program takes longer, with the same result.
//!
//! # References
//! The bound over bins is this project's; [`super`] has the references of the program.

use super::bands::Bands;
use super::bins::{Bins, ROUNDS};
use super::points::Points;
use super::rows::Prefix;

/// Bins of equal weight for each cluster. There are as many of equal width beside them.
const BINS: usize = 256;
/// The fewest and the most of each kind.
const LEAST: usize = 2048;
const MOST: usize = 1 << 15;
/// Distinct values for each bin below which the whole program is as fast.
const FEW: usize = 8;
/// The most split points that are kept, of 4 bytes.
const KEPT: usize = 1 << 27;
/// The most entries of the program over edges, of 12 bytes, from each end.
const ENTRIES: usize = 1 << 25;

/// The bands that hold the boundaries of an optimal solution; none where the whole program is to be
/// run.
pub(super) fn around_optimum(points: &Points, prefix: &Prefix, clusters: usize) -> Option<Bands> {
    let wanted = BINS.saturating_mul(clusters).clamp(LEAST, MOST);
    let bins = wanted.min(points.len() / FEW);
    if bins < LEAST {
        return None;
    }
    from_bins(points, prefix, clusters, bins)
}

/// As [`around_optimum`], from about `bins` bins of each kind.
pub(super) fn from_bins(
    points: &Points,
    prefix: &Prefix,
    clusters: usize,
    bins: usize,
) -> Option<Bands> {
    let entries = clusters.saturating_mul(2 * bins);
    if clusters < 2 || entries > ENTRIES {
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
