//! Activations and their derivatives over whole buffers.

use compress_core::Result;
use compress_core::network::Activation;
use compress_core::ops::elementwise;
use rayon::prelude::*;

use super::CHUNK;

/// `x = activation(x)`.
pub(crate) fn forward(activation: Activation, x: &mut [f32]) -> Result<()> {
    let apply: fn(&mut [f32]) -> Result<()> = match activation {
        Activation::Identity => return Ok(()),
        Activation::Relu => elementwise::relu,
        Activation::Gelu => elementwise::gelu,
        Activation::Tanh => elementwise::tanh,
    };
    x.par_chunks_mut(CHUNK).try_for_each(apply)
}

/// `gradient *= activation'`, computed from what [`saves`] says was kept.
pub(crate) fn backward(activation: Activation, kept: &[f32], gradient: &mut [f32]) -> Result<()> {
    let apply: fn(&[f32], &mut [f32]) -> Result<()> = match activation {
        Activation::Identity => return Ok(()),
        Activation::Relu => elementwise::relu_backward,
        Activation::Gelu => elementwise::gelu_backward,
        Activation::Tanh => elementwise::tanh_backward,
    };
    compress_core::Error::check_shape("gradient", &[kept.len()], &[gradient.len()])?;
    let pairs = kept.par_chunks(CHUNK).zip(gradient.par_chunks_mut(CHUNK));
    pairs.try_for_each(|(kept, gradient)| apply(kept, gradient))
}

/// What a derivative is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    /// What the layer passes on, even after dropout: the sign alone matters, or nothing does.
    Passed,
    /// The activation's output, before dropout.
    Output,
    /// The activation's input.
    Input,
}

/// What the derivative of `activation` needs.
pub(crate) fn saves(activation: Activation) -> Saved {
    match activation {
        Activation::Identity | Activation::Relu => Saved::Passed,
        Activation::Tanh => Saved::Output,
        Activation::Gelu => Saved::Input,
    }
}
