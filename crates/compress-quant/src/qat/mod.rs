//! Quantization-aware training: the forward pass sees quantized weights, the optimizer keeps
//! and changes the full-precision ones.

mod fake_quantize;
mod saturation;

pub use fake_quantize::{FakeQuantize, Gradient, Target};
