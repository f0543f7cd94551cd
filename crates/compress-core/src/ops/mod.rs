//! Safe, shape-checked operations on whole arrays: what a network does beside matrix products.

pub mod elementwise;
pub mod softmax;
