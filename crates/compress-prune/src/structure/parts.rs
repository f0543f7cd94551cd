//! Parts of tensors, such as rows, that stay or go whole.

use compress_core::Result;
use compress_core::mask::{Mask, Scores, Structure};

use super::select::{check_scores, check_some_stay, keep_highest, kept_count, mask_of};
use crate::error::check_fraction;

/// The mean of the scores of each part, where `part_of` says which part a position belongs to.
pub(super) fn means(scores: &[f32], parts: usize, part_of: impl Fn(usize) -> usize) -> Vec<f32> {
    let mut sums = vec![(0.0_f64, 0_usize); parts];
    for (position, &score) in scores.iter().enumerate() {
        let (sum, count) = &mut sums[part_of(position)];
        *sum += f64::from(score);
        *count += 1;
    }
    // In f64 the mean of equal f32 values is exactly that value.
    let mean = |(sum, count): (f64, usize)| (sum / count.max(1) as f64) as f32;
    sums.into_iter().map(mean).collect()
}

/// For each of `positions` positions whether its part stays.
pub(super) fn spread(
    stay: &[bool],
    positions: usize,
    part_of: impl Fn(usize) -> usize,
) -> Vec<bool> {
    (0..positions)
        .map(|position| stay[part_of(position)])
        .collect()
}

/// Slices along an axis: the position `p` of a tensor lies in slice `p / inner % length`.
#[derive(Clone, Copy)]
pub(super) struct Slices {
    pub length: usize,
    pub inner: usize,
}

/// Keeps `round(density · n)` of the `n` slices of each tensor, those with the highest means.
/// A structure is named for its slices. `slices` is given the name and the shape of a tensor.
pub(super) fn keep_slices(
    structure: &dyn Structure,
    scores: &Scores,
    density: f64,
    slices: impl Fn(&str, &[usize]) -> Result<Slices>,
) -> Result<Mask> {
    check_fraction("the density", density)?;
    check_scores(scores)?;
    let mut keep = Vec::with_capacity(scores.tensors.len());
    for tensor in &scores.tensors {
        let Slices { length, inner } = slices(&tensor.name, &tensor.shape)?;
        let positions = tensor.values.len();
        // A tensor without values has no slices.
        let length = if positions == 0 { 0 } else { length };
        check_some_stay(&tensor.name, structure.name(), density, length)?;
        let slice_of = |position: usize| position / inner % length;
        let means = means(&tensor.values, length, slice_of);
        let stay = keep_highest(&[&means], kept_count(density, length))?.remove(0);
        keep.push(spread(&stay, positions, slice_of));
    }
    Ok(mask_of(scores, density, keep)?)
}
