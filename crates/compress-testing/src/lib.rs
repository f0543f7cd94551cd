//! What the tests and the examples of pruning, quantization and distillation work on: a chain of
//! dense layers, the plainest way to train it, and some data. It knows the contracts of
//! `compress-core` alone, as they do. For tests: what cannot be in one panics.

#![forbid(unsafe_code)]

mod chain;
mod data;
mod sgd;

pub use chain::Chain;
pub use data::{blobs, normal};
pub use sgd::{CrossEntropy, Sgd};
