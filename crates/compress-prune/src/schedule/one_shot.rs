//! All at once.

use super::Schedule;

/// Prunes to the final density at once, when the pruning period begins.
///
/// # References
/// Han et al. 2015 (1506.02626), section 3: prune at a threshold, then retrain.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneShot;

impl Schedule for OneShot {
    fn name(&self) -> &'static str {
        "one_shot"
    }

    fn advance(&self, _elapsed: f64) -> f64 {
        1.0
    }
}
