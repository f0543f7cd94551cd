//! Unstructured pruning with one ranking for each output.

use compress_core::Result;
use compress_core::mask::{Mask, Scores, Structure};
use compress_core::tensor::matrix_shape;

use super::select::{check_scores, check_some_stay, keep_highest, kept_count, mask_of};
use crate::error::check_fraction;

/// Unstructured pruning: keeps the `round(density · n)` highest scores of each row of `n` weights,
/// a row being everything but the first axis. So every output keeps as many weights.
///
/// # Errors
/// Where the density is not from 0 to 1. Where it is above 0, but rounding would leave no weight of a
/// row. Where a score is negative or not finite.
///
/// # References
/// Sun, Liu, Bair, Kolter 2024 (2306.11695), section 3, "comparison group".
#[derive(Clone, Copy, Debug, Default)]
pub struct PerRow;

impl Structure for PerRow {
    fn name(&self) -> &'static str {
        "per_row"
    }

    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask> {
        check_fraction("the density", density)?;
        check_scores(scores)?;
        let mut keep = Vec::with_capacity(scores.tensors.len());
        for tensor in &scores.tensors {
            let (_, columns) = matrix_shape(&tensor.shape);
            let mut of_tensor = Vec::with_capacity(tensor.values.len());
            for row in tensor.values.chunks(columns.max(1)) {
                check_some_stay(&tensor.name, "weights", density, row.len())?;
                let kept = kept_count(density, row.len());
                of_tensor.append(&mut keep_highest(&[row], kept)?.remove(0));
            }
            keep.push(of_tensor);
        }
        Ok(mask_of(scores, density, keep)?)
    }
}
