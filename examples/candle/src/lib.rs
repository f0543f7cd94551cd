//! A convolutional network whose tensors are candle's, compressed in a training loop of its own.
//!
//! The crates of the toolkit know nothing of candle. [`network::ConvNet`] offers them what it has:
//! named tensors (`Parameters`), their gradients (`Gradients`) and what its weights read
//! (`Observe`). [`training`] is the loop: `Run::step` calls the hooks that prune and quantize around
//! candle's own backward pass and an optimizer of a few lines.

#![forbid(unsafe_code)]

pub mod data;
pub mod network;
pub mod training;
