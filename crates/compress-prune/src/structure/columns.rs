//! Structured pruning of whole columns.

use compress_core::Result;
use compress_core::mask::{Mask, Scores, Structure};
use compress_core::tensor::matrix_shape;

use super::parts::{Slices, keep_slices};

/// Structured pruning: keeps, of the `n` columns of each tensor, the `round(density · n)` whose
/// scores have the highest means. A column is what all rows have at one position, a row being
/// everything but the first axis: an input, or one value of each filter. So the matrix that a
/// convolution multiplies by becomes narrower.
///
/// # Errors
/// Where the density is not from 0 to 1. Where it is above 0, but rounding would leave no column of
/// a tensor. Where a score is negative or not finite.
///
/// # Examples
/// ```
/// use compress_core::mask::{Scores, Structure, TensorScores};
/// use compress_prune::Columns;
///
/// let values = vec![1.0, 1.0, 3.0, 0.0];
/// let tensor = TensorScores { name: "a".into(), shape: vec![2, 2], values };
/// let mask = Columns.mask(&Scores { tensors: vec![tensor] }, 0.5)?;
/// assert_eq!(mask.tensors[0].keep, [true, false, true, false]);
/// # Ok::<(), compress_core::Error>(())
/// ```
///
/// # References
/// Wen, Wu, Wang, Chen, Li 2016 (1608.03665), section 3.2, "shape-wise": the columns of the weight
/// matrix.
#[derive(Clone, Copy, Debug, Default)]
pub struct Columns;

impl Structure for Columns {
    fn name(&self) -> &'static str {
        "columns"
    }

    fn averages(&self) -> bool {
        true
    }

    fn mask(&self, scores: &Scores, density: f64) -> Result<Mask> {
        keep_slices(self, scores, density, |_, shape| {
            let (_, length) = matrix_shape(shape);
            Ok(Slices { length, inner: 1 })
        })
    }
}
