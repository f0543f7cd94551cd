//! Quantization-aware training: the forward pass sees quantized weights, the optimizer keeps
//! and changes the full-precision ones.

mod fake_quantize;
mod learned_step;
mod saturation;

pub use fake_quantize::{FakeQuantize, Gradient, Target};
pub use learned_step::{LearnedStep, LearnedStepOptions};

use std::borrow::Borrow;

use compress_core::Result;
use compress_core::network::Parameter;

use crate::Error;

/// Fails unless parameter `index` is the one that something was fitted to.
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
