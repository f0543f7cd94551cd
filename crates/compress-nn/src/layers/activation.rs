//! The derivatives of activations over whole buffers, and what they are computed from.

use compress_core::Result;
use compress_core::network::Activation;
use compress_core::ops::elementwise;

/// `gradient *= activation'`, computed from the values that [`saves`] names.
pub(crate) fn backward(activation: Activation, kept: &[f32], gradient: &mut [f32]) -> Result<()> {
    match activation {
        Activation::Identity => Ok(()),
        Activation::Relu => elementwise::relu_backward(kept, gradient),
        Activation::Gelu => elementwise::gelu_backward(kept, gradient),
        Activation::Tanh => elementwise::tanh_backward(kept, gradient),
    }
}

/// The value that a derivative is computed from.
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
