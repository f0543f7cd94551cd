//! What was measured: kept weights against error.

use serde::{Deserialize, Serialize};

/// A density for each tensor, and the error with them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrontPoint {
    /// How many of the scored values stay.
    pub kept: usize,
    /// The fraction of them that stays.
    pub density: f64,
    /// The measured error; `None` where it was not finite.
    pub error: Option<f64>,
    /// The density of each tensor, in the order of the scores.
    pub densities: Vec<f64>,
    /// Whether another point keeps no more values and has no larger error.
    pub dominated: bool,
}

/// Sorts by kept values, then by error, and marks what is dominated. Of equal points the first is not.
pub(super) fn sort(front: &mut [FrontPoint]) {
    let error = |point: &FrontPoint| point.error.unwrap_or(f64::INFINITY);
    front.sort_by(|a, b| a.kept.cmp(&b.kept).then(error(a).total_cmp(&error(b))));
    let mut least = f64::INFINITY;
    for point in front {
        point.dominated = error(point) >= least;
        least = least.min(error(point));
        // A point without an error is no choice at all.
        point.dominated |= point.error.is_none();
    }
}
