//! Random pruning: the baseline that every criterion has to beat.

use compress_core::evidence::Evidence;
use compress_core::mask::Criterion;
use compress_core::tensor::TensorRef;
use compress_core::{Result, rng};

/// Scores each weight at random, evenly from 0 to 1: the baseline that a criterion has to beat. A
/// tensor has the same scores whenever it is scored with the same seed, so that gradual pruning
/// prunes the same weights further.
///
/// # References
/// Blalock, Gonzalez Ortiz, Frankle, Guttag 2020 (2003.03033), section 5.1, for random pruning as a
/// baseline.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random {
    /// The seed of the random stream of each tensor.
    pub seed: u64,
}

impl Criterion for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn score(&self, weight: TensorRef<'_>, _: &Evidence<'_>) -> Result<Vec<f32>> {
        let mut stream = rng::stream(self.seed, &format!("prune.random.{}", weight.name));
        Ok(weight
            .values
            .iter()
            .map(|_| rng::uniform(&mut stream))
            .collect())
    }
}
