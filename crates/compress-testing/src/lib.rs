//! What the tests and documentation examples of pruning, quantization and distillation work on: a
//! chain of dense layers, the plainest way to train it, a convolutional network, and some data. Like
//! those crates, it depends on the contracts of `compress-core` alone. It is for tests only:
//! impossible cases panic.

#![forbid(unsafe_code)]

mod chain;
mod convolutional;
mod data;
mod sgd;

pub use chain::Chain;
pub use convolutional::Convolutional;
pub use data::{blobs, normal};
pub use sgd::{CrossEntropy, Sgd};
