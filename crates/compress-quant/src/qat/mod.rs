//! Quantization-aware training (QAT): the forward pass sees quantized weights, and the optimizer
//! keeps and changes the full-precision ones. [`FakeQuantize`] trains on frozen grids with the
//! straight-through estimator (STE); [`LearnedStep`] learns the steps too (LSQ).

mod fake_quantize;
mod learned_step;
mod saturation;

pub use fake_quantize::{FakeQuantize, Gradient, Target};
pub use learned_step::{LearnedStep, LearnedStepOptions};

use std::borrow::Borrow;

use compress_core::Result;
use compress_core::network::Parameter;

use crate::Error;

/// Fails unless parameter `index` has the name and shape that were fitted to.
fn check_fitted<P: Borrow<Parameter>>(
    parameters: &[P],
    index: usize,
    name: &str,
    shape: &[usize],
) -> Result<()> {
    let found = parameters.get(index).map(Borrow::borrow);
    if found.is_some_and(|p| p.name() == name && p.shape() == shape) {
        return Ok(());
    }
    Err(Error::NetworkChanged {
        name: name.to_owned(),
        fitted: shape.to_vec(),
        found: found.map_or_else(
            || "no such parameter".into(),
            |p| format!("{} of shape {:?}", p.name(), p.shape()),
        ),
    }
    .into())
}
