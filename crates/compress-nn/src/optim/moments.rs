//! What an optimizer remembers of one parameter.

use compress_core::kernels::sparse_layer::Live;
use serde::{Deserialize, Serialize};

/// What an optimizer remembers of a parameter: the mean of its gradient, and that of its square. Each
/// is as long as the parameter, or empty where the optimizer keeps none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moments {
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
}

impl Moments {
    /// Sets to zero those of weights that are not live.
    pub(crate) fn forget(&mut self, live: &Live) {
        for moments in [&mut self.first, &mut self.second] {
            if !moments.is_empty() {
                live.zero_dead(moments);
            }
        }
    }
}
