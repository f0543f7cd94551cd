//! Structured pruning of whole rows.

use compress_core::Result;
use compress_core::mask::{Mask, Scores, Structure};
use compress_core::tensor::matrix_shape;

use super::parts::{Slices, keep_slices};

/// Structured pruning: keeps, of the `n` rows of each tensor, the `round(density · n)` whose scores
/// have the highest means. A row is everything but the first axis: an output, a filter.
///
/// What reads an output is not pruned with it; [`crate::Neurons`] does that.
///
/// # Errors
/// Where the density is not from 0 to 1. Where it is above 0, but rounding would leave no row of a
/// tensor. Where a score is negative or not finite.
///
/// # Examples
/// ```
/// use compress_core::mask::{Scores, Structure, TensorScores};
/// use compress_prune::Rows;
///
/// let values = vec![1.0, 1.0, 3.0, 0.0];
/// let tensor = TensorScores { name: "a".into(), shape: vec![2, 2], values };
/// let mask = Rows.mask(&Scores { tensors: vec![tensor] }, 0.5)?;
/// assert_eq!(mask.tensors[0].keep, [false, false, true, true]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Wen, Wu, Wang, Chen, Li 2016 (1608.03665), section 3.2, "filter-wise"; Li, Kadav, Durdanovic,
/// Samet, Graf 2017 (1608.08710), section 3.1, for a ranking within each layer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows;

impl Structure for Rows {
    fn name(&self) -> &'static str {
        "rows"
    }

    fn averages(&self) -> bool {
        true
    }

    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask> {
        keep_slices(self, scores, density, |_, shape| {
            let (length, inner) = matrix_shape(shape);
            Ok(Slices { length, inner })
        })
    }
}
