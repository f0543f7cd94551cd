//! K-means in one dimension, solved exactly: the best codebook for weight sharing.
//!
//! In one dimension the optimal clusters are intervals of the sorted values. So dynamic programming
//! finds the global optimum, where Lloyd's iteration stops at a local one. Let `gain(m, j)` be the
//! most that `m` clusters of the first `j` distinct values take off the sum of squares:
//! ```text
//! gain(m, j) = max over i < j of  gain(m − 1, i) + (S(j) − S(i))² / (W(j) − W(i))
//! ```
//!
//! Here S and W are prefix sums: of the values, and of how often each occurs. The best `i` does not
//! fall as `j` grows, so each row is filled by divide and conquer in O(n log n).
//!
//! One level can be pinned at zero ([`optimal_kmeans_with_zero`]). Its cluster has no gain. No
//! other cluster of an optimal solution holds values of both signs, because a value goes to a
//! positive level only if it lies above half of it. So the negative and the positive values are
//! solved separately, each for every number of levels at once. In both, a first cluster around zero
//! costs nothing (`gain(0, j) = 0` for every `j`, not for `j = 0` alone). The best division of the
//! levels between the two signs is taken.
//!
//! From about 16,000 distinct values on, the search is first narrowed down. Bins of values give a
//! band for each boundary between two clusters, and the band provably holds that boundary. Rows are
//! then filled only within the bands. [`near_optimal_kmeans`] goes no further than the bins and the
//! values near the boundaries.
//!
//! The result is optimal up to rounding. Sums are in f64, of values centred on their mean (on zero
//! where a level is pinned there), each as good as rounded once. Partitions whose squared errors
//! differ by less than about 10⁻¹⁴ of the sum of squares may tie. Which of them is found depends on
//! the values alone. The bands are wider than rounding asks for.
//!
//! # Speed
//!
//! Milliseconds for normal values on two threads of a Zen 5 at 4.3 GHz, the least of 7 runs. "Whole
//! program" is the dynamic program without bands. scikit-learn 1.9 runs Lloyd's iteration from one
//! start, and ends at a local optimum. `cargo peers kmeans1d` compares the two at 16 levels.
//!
//! | values, levels | whole program | optimal | near | scikit-learn |
//! | --- | --- | --- | --- | --- |
//! | 235,200, 16 | 61 | 11 | 4.1 | 103 to 161 |
//! | 4,194,304, 16 | | 140 | 45 | 2,451 |
//! | 235,200, 256 | 1,210 | 382 | 160 | |
//! | 4,194,304, 256 | 19,900 | 940 | 249 | |
//!
//! At 16 levels the bands together hold a tenth of the distinct values, so most of the time goes
//! into sorting and summing. With a level pinned at zero the whole program is run.
//!
//! # References
//! - Wang and Song, *Ckmeans.1d.dp: optimal k-means clustering in one dimension by dynamic
//!   programming*, The R Journal 3/2, 2011: the recurrence.
//! - Grønlund et al., *Fast exact k-means, k-medians and Bregman divergence clustering in 1D*,
//!   1701.07204, sections 2 and 3: monotone rows, and which rows need to be kept.

mod bands;
mod bins;
mod bounds;
mod near;
mod points;
mod rows;
mod sort;

use compress_core::Result;

pub use near::near_optimal_kmeans;

use bounds::around_optimum;
use points::{Points, check};
use rows::{Prefix, Rows};

/// The levels (at most `levels`, ascending) with the least sum of squared distances from each of
/// `values` to the nearest level. There are fewer levels where there are fewer distinct values.
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
    check(name, values, levels)?;
    let points = Points::distinct(values);
    let clusters = levels.min(points.len());
    let prefix = Prefix::new(&points, points.mean(0, points.len()));
    let ends = match around_optimum(&points, &prefix, clusters) {
        Some(bands) => bands.cluster_ends(&prefix),
        None => Rows::fill(prefix, clusters, false).cluster_ends(clusters),
    };
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
    check(name, values, levels)?;
    let points = Points::distinct(values);
    let negative = points.part(|v| v < 0.0).mirrored();
    let positive = points.part(|v| v > 0.0);
    let free = levels - 1;
    let below = Rows::fill(Prefix::new(&negative, 0.0), free.min(negative.len()), true);
    let above = Rows::fill(Prefix::new(&positive, 0.0), free.min(positive.len()), true);

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

#[cfg(test)]
mod tests;
