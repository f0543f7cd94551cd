//! Scores that are a function of a value and of what is known of it.

use compress_core::Result;
use compress_core::evidence::{Evidence, PerValue};
use compress_core::mask::{Criterion, ranked};
use compress_core::tensor::TensorRef;

/// For each value of `weight` what `score` makes of it and of what is known of it.
pub(super) fn scores(
    criterion: &dyn Criterion,
    kind: PerValue,
    weight: TensorRef<'_>,
    evidence: &Evidence<'_>,
    score: impl Fn(f64, f64) -> f32,
) -> Result<Vec<f32>> {
    let count = weight.values.len();
    let known = evidence.values(kind, criterion.name(), weight.name, count)?;
    weight.check_finite()?;
    let pairs = weight.values.iter().zip(known);
    let scores = pairs.map(|(&w, &known)| score(f64::from(w), f64::from(known)));
    Ok(scores.collect())
}

/// A score that is not negative, at most the largest f32.
pub(super) fn unsigned(score: f64) -> f32 {
    score.min(f64::from(f32::MAX)) as f32
}

/// A score of either sign, as one that structures can rank.
pub(super) fn signed(score: f64) -> f32 {
    let limit = f64::from(f32::MAX);
    // The sum makes +0 of −0, which would rank lower.
    ranked(score.clamp(-limit, limit) as f32 + 0.0)
}
