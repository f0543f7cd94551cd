//! Exact selection of the k-th largest magnitude across tensors, without sorting.

use crate::{Error, Result};

/// The boundary between the `k` largest magnitudes and the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary {
    /// The k-th largest magnitude. Everything above it belongs to the k largest.
    pub magnitude: f32,
    /// How many values of exactly this magnitude belong to the k largest: the first ones, in
    /// the order of tensors and positions.
    pub ties_kept: usize,
}

/// Finds the boundary of the `k` largest magnitudes of all `tensors` together.
///
/// # Errors
/// Where `k` is 0 or more than there are values, or a value is NaN or infinite.
pub fn largest_magnitudes(tensors: &[&[f32]], k: usize) -> Result<Boundary> {
    let total: usize = tensors.iter().map(|t| t.len()).sum();
    if k == 0 || k > total {
        return Err(Error::invalid(
            "the number of values to keep",
            k,
            format!("1 to {total}"),
        ));
    }
    for (i, t) in tensors.iter().enumerate() {
        Error::check_finite(&format!("tensor {i} of a selection"), t)?;
    }
    let mut all: Vec<f32> = tensors
        .iter()
        .flat_map(|t| t.iter().map(|v| v.abs()))
        .collect();
    all.sort_unstable_by(|a, b| b.total_cmp(a));
    let magnitude = all[k - 1];
    let ties_kept = all[..k].iter().filter(|&&m| m == magnitude).count();
    Ok(Boundary {
        magnitude,
        ties_kept,
    })
}

/// Writes true for each value among the largest, given the [`Boundary`] of all tensors; `keep`
/// holds a slice for each tensor, of the same length.
pub fn keep_largest(tensors: &[&[f32]], boundary: Boundary, keep: &mut [Vec<bool>]) -> Result<()> {
    Error::check_shape("masks of a selection", &[tensors.len()], &[keep.len()])?;
    let mut ties = boundary.ties_kept;
    for (values, keep) in tensors.iter().zip(keep) {
        keep.clear();
        keep.extend(values.iter().map(|v| {
            let tie = v.abs() == boundary.magnitude && ties > 0;
            ties -= usize::from(tie);
            tie || v.abs() > boundary.magnitude
        }));
    }
    Ok(())
}
