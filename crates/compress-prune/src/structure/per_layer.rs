//! Unstructured pruning with one ranking in each layer.

use compress_core::Result;
use compress_core::mask::{Mask, Scores, Structure};

use super::select::keep_in_each;

/// Unstructured pruning: keeps the `round(density · n)` highest scores of each tensor of `n`
/// weights.
///
/// # Errors
/// Where the density is not from 0 to 1. Where it is above 0, but rounding would leave no weight of a
/// tensor. Where a score is negative or not finite.
///
/// # Examples
/// ```
/// use compress_core::mask::{Scores, Structure, TensorScores};
/// use compress_prune::PerLayer;
///
/// let tensor = |name: &str, values: Vec<f32>| TensorScores {
///     name: name.into(),
///     shape: vec![1, values.len()],
///     values,
/// };
/// let scores = Scores {
///     tensors: vec![tensor("a", vec![0.1, 0.2]), tensor("b", vec![5.0, 4.0])],
/// };
/// let mask = PerLayer.mask(&scores, 0.5)?;
/// assert_eq!(mask.tensors[0].keep, [false, true]);
/// assert_eq!(mask.tensors[1].keep, [true, false]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Frankle and Carbin 2019 (1803.03635), section 2, "a simple layer-wise pruning heuristic".
#[derive(Clone, Copy, Debug, Default)]
pub struct PerLayer;

impl Structure for PerLayer {
    fn name(&self) -> &'static str {
        "per_layer"
    }

    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask> {
        Ok(keep_in_each(scores, density, |_| density)?)
    }
}
