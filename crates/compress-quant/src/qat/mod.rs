//! Quantization-aware training (QAT): the forward pass sees quantized weights, and the optimizer
//! keeps and changes the full-precision ones. [`FakeQuantize`] trains on fitted grids with the
//! straight-through estimator (STE); [`LearnedStep`] learns the steps too (LSQ).

mod fake_quantize;
mod fitted;
mod learned_step;
mod saturation;

pub use fake_quantize::{FakeQuantize, Gradient, Refit, Target};
pub use learned_step::{LearnedStep, LearnedStepOptions};
