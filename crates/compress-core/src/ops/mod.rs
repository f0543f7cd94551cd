//! Safe, shape-checked operations on whole arrays: what a network does beside matrix products.
//!
//! Each body is written once and compiled at every instruction set level; all give the same
//! bits, whatever the level and the number of threads.

pub mod activation;
pub mod cross_entropy;
pub mod elementwise;
pub mod optimizer;
pub mod power;
pub mod rows;
pub mod scalar;
pub mod softmax;
pub mod tent_pool;
pub mod trigonometry;
pub mod vector;

#[cfg(test)]
mod tests;
