//! Magnitude pruning: the magnitude of each weight.

use compress_core::Result;
use compress_core::evidence::Evidence;
use compress_core::mask::Criterion;
use compress_core::tensor::TensorRef;

/// Scores a weight by its magnitude, `|w|`: magnitude pruning.
///
/// # References
/// Han, Pool, Tran, Dally 2015 (1506.02626), section 3.
#[derive(Clone, Copy, Debug, Default)]
pub struct Magnitude;

impl Criterion for Magnitude {
    fn name(&self) -> &'static str {
        "magnitude"
    }

    fn score(&self, weight: TensorRef<'_>, _: &Evidence<'_>) -> Result<Vec<f32>> {
        Ok(weight.values.iter().map(|w| w.abs()).collect())
    }
}
