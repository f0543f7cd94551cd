//! The options of refinement.

use compress_core::{Error, Result};

/// How codes are refined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefineOptions {
    /// The price of a bit in units of the loss. The loss is the cross-entropy in nats, averaged
    /// over the samples, times the square of the temperature.
    pub penalty: f32,
    /// The temperature: logits are divided by it before the softmax. `targets` must be made with
    /// the same one.
    pub temperature: f32,
    /// How many times each code is tried.
    pub sweeps: usize,
    /// If given, biases become multiples of one step for each layer, and move by that step. The
    /// step is the power of √2, times the product of the weights' steps up to the layer, that is
    /// nearest to this share of the root mean square of the layer's outputs. Once the weights'
    /// steps are folded ([`crate::folding::fold_steps`]) it is a power of √2 alone. A coarser grid
    /// takes fewer bits, and the weights compensate for it.
    pub bias_grid: Option<f32>,
    /// The seed of the order in which codes are tried.
    pub seed: u64,
}

impl Default for RefineOptions {
    /// Three sweeps, no penalty, a temperature of 1, biases of any value.
    fn default() -> Self {
        RefineOptions {
            penalty: 0.0,
            temperature: 1.0,
            sweeps: 3,
            bias_grid: None,
            seed: 0,
        }
    }
}

impl RefineOptions {
    /// Fails where an option is out of its range.
    pub(super) fn check(&self) -> Result<()> {
        let positive = |value: f32| value.is_finite() && value > 0.0;
        if !(self.penalty.is_finite() && self.penalty >= 0.0) {
            let expected = "finite and not negative";
            return Err(Error::invalid("penalty", self.penalty, expected));
        }
        for (what, value) in [
            ("temperature", Some(self.temperature)),
            ("the grid of the biases", self.bias_grid),
        ] {
            if let Some(value) = value.filter(|&value| !positive(value)) {
                return Err(Error::invalid(what, value, "positive and finite"));
            }
        }
        Ok(())
    }
}
