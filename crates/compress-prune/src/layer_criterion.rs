//! The contract of criteria that score whole layers.

use compress_core::network::Forward;
use compress_core::samples::Samples;

use crate::Result;

/// Scores a network from which a layer was removed.
pub trait LayerCriterion {
    /// Its name in registries and reports.
    fn name(&self) -> &'static str;

    /// What is lost if `candidate`, from which a layer was removed, replaces the network. The
    /// candidate with the lowest value wins. `None` where it cannot be ranked.
    ///
    /// # Errors
    /// Where the samples do not fit the network.
    fn score(&self, candidate: &dyn Forward, validation: &dyn Samples) -> Result<Option<f32>>;
}
