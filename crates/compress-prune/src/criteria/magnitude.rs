//! Magnitude pruning: the magnitude of each weight.

use compress_core::Result;
use compress_core::mask::{Criterion, Scores};
use compress_core::network::Network;

use super::{finite_weights, score_each};

/// Scores a weight by its magnitude, `|w|`: magnitude pruning.
///
/// # Errors
/// Where a weight is NaN or infinite.
///
/// # References
/// Han, Pool, Tran, Dally 2015 (1506.02626), section 3.
#[derive(Clone, Copy, Debug, Default)]
pub struct Magnitude;

impl Criterion for Magnitude {
    fn name(&self) -> &'static str {
        "magnitude"
    }

    fn scores(&self, network: &dyn Network) -> Result<Scores> {
        let weights = finite_weights(network)?;
        Ok(score_each(&weights, |i| {
            weights[i].values().iter().map(|w| w.abs()).collect()
        }))
    }
}
