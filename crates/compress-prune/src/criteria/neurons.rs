//! What criteria of neurons share: each weight of a row gets the score of the row.

use std::slice::ChunksExact;

use compress_core::Result;
use compress_core::tensor::{TensorRef, matrix_shape};

/// The rows of a finite weight, one for each neuron; none where they are empty.
pub(super) fn rows(weight: TensorRef<'_>) -> Result<ChunksExact<'_, f32>> {
    weight.check_finite()?;
    let (_, inputs) = matrix_shape(weight.shape);
    Ok(weight.values.chunks_exact(inputs.max(1)))
}

/// The score of each neuron for each of its `inputs` weights; beyond f32, `f32::MAX`.
pub(super) fn for_each_weight(scores: impl IntoIterator<Item = f64>, inputs: usize) -> Vec<f32> {
    let scores = scores
        .into_iter()
        .map(|s| s.min(f64::from(f32::MAX)) as f32);
    scores
        .flat_map(|score| std::iter::repeat_n(score, inputs))
        .collect()
}
