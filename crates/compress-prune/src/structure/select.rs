//! What structures share: choosing the highest scores, and checking that scores can be ranked.

use compress_core::kernels::select::{keep_largest, largest_magnitudes};
use compress_core::mask::{Mask, Scores, TensorMask, TensorScores};
use compress_core::tensor::volume;

use crate::error::check_fraction;
use crate::{Error, Result};

/// `round(density · total)`, halves up.
pub(crate) fn kept_count(density: f64, total: usize) -> usize {
    ((density * total as f64).round() as usize).min(total)
}

/// Fails where of `total` `things` of `what`, such as weights, some are to stay, but rounding leaves
/// none.
pub(crate) fn check_some_stay(what: &str, things: &str, density: f64, total: usize) -> Result<()> {
    if density > 0.0 && total > 0 && kept_count(density, total) == 0 {
        let least = 0.5 / total as f64;
        let expected =
            format!("0, or at least {least}, so that one of each {total} {things} stays");
        let what = format!("the density of {what}");
        return Err(compress_core::Error::invalid(what, density, expected).into());
    }
    Ok(())
}

/// The `kept` highest of all `scores` together.
pub(crate) fn keep_highest(scores: &[&[f32]], kept: usize) -> Result<Vec<Vec<bool>>> {
    let mut keep: Vec<Vec<bool>> = scores.iter().map(|s| vec![false; s.len()]).collect();
    if kept > 0 {
        let boundary = largest_magnitudes(scores, kept)?;
        keep_largest(scores, boundary, &mut keep)?;
    }
    Ok(keep)
}

/// The mask that keeps the highest scores of each tensor by itself, at the density that `of` gives its
/// name; `density` is that of the tensors that are pruned.
///
/// # Errors
/// Where the density is not from 0 to 1 or rounding would leave no weight of a tensor; as
/// [`check_scores`].
pub(super) fn keep_in_each(
    scores: &Scores,
    density: f64,
    of: impl Fn(&str) -> f64,
) -> Result<Mask> {
    check_fraction("the density", density)?;
    check_scores(scores)?;
    let mut keep = Vec::with_capacity(scores.tensors.len());
    for tensor in &scores.tensors {
        let (density, count) = (of(&tensor.name), tensor.values.len());
        check_some_stay(&tensor.name, "weights", density, count)?;
        let kept = kept_count(density, count);
        keep.append(&mut keep_highest(&[&tensor.values], kept)?);
    }
    mask_of(scores, density, keep)
}

/// Fails unless each tensor has as many scores as its shape says, all of them rankable.
pub(crate) fn check_scores(scores: &Scores) -> Result<()> {
    for tensor in &scores.tensors {
        let expected = [volume(&tensor.shape)];
        compress_core::Error::check_shape(
            &format!("scores of {}", tensor.name),
            &expected,
            &[tensor.values.len()],
        )?;
        let rankable = |s: &f32| *s >= 0.0 && *s < f32::INFINITY;
        if let Some(index) = tensor.values.iter().position(|s| !rankable(s)) {
            return Err(Error::Score {
                tensor: tensor.name.clone(),
                index,
                value: tensor.values[index],
            });
        }
    }
    Ok(())
}

/// The mask of the scored tensors that `keep` describes, for a density.
///
/// # Errors
/// As [`check_no_collapse`].
pub(super) fn mask_of(scores: &Scores, density: f64, keep: Vec<Vec<bool>>) -> Result<Mask> {
    let entry = |(tensor, keep): (&TensorScores, _)| TensorMask {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        keep,
    };
    let mask = Mask {
        tensors: scores.tensors.iter().zip(keep).map(entry).collect(),
    };
    check_no_collapse(&mask, density)?;
    Ok(mask)
}

/// Fails where a tensor that has weights would lose all of them at a density above 0.
pub(crate) fn check_no_collapse(mask: &Mask, density: f64) -> Result<()> {
    let collapses = |t: &&TensorMask| !t.keep.is_empty() && !t.keep.contains(&true);
    match mask.tensors.iter().find(collapses) {
        Some(tensor) if density > 0.0 => Err(Error::Collapse {
            tensor: tensor.name.clone(),
            weights: tensor.keep.len(),
            density,
        }),
        _ => Ok(()),
    }
}
