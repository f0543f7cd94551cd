//! One-shot pruning: all at once.

use super::contract::Schedule;

/// Prunes to the final density at once, when the pruning period begins.
///
/// # References
/// Frankle and Carbin 2019 (1803.03635), section 1, "one-shot".
#[derive(Clone, Copy, Debug, Default)]
pub struct OneShot;

impl Schedule for OneShot {
    fn name(&self) -> &'static str {
        "one_shot"
    }

    fn density(&self, _: f64, target: f64, _: f64) -> f64 {
        target
    }
}
