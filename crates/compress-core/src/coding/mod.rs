//! Byte coders: how numbers become few bytes.
//!
//! Each reads what it wrote and never panics on anything else. From the plainest to the most
//! compact: [`varint`] for single numbers, [`bits`] for codes of a fixed width, [`gaps`] for the
//! positions of few among many, [`matrix`] for whole matrices, through an adaptive model
//! and the binary [`range_coder`]. [`meter`] says what its bits are spent on.

pub mod bits;
pub mod gaps;
mod logistic;
pub mod matrix;
pub mod meter;
pub(crate) mod numbers;
pub(crate) mod predictor;
pub mod range_coder;
pub mod reader;
pub mod varint;
