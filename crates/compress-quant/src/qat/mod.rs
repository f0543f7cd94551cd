//! Quantization-aware training: the forward pass sees quantized weights, the optimizer keeps
//! and changes the full-precision ones.

mod fake_quantize;
mod learned_step;
mod saturation;

pub use fake_quantize::{FakeQuantize, Gradient, Target};
pub use learned_step::{LearnedStep, LearnedStepOptions};
