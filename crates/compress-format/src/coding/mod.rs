//! Byte coders: how numbers become few bytes, up to entropy coding.
//!
//! Each coder reads what it wrote, and never panics on other bytes. From the plainest to the most
//! compact:
//!
//! - [`varint`]: single numbers;
//! - [`bits`]: codes of a fixed width, and unary numbers;
//! - [`gaps`]: the positions of few among many, by Rice codes;
//! - [`matrix`]: whole matrices, by an adaptive model and the binary [`range_coder`] (arithmetic
//!   coding). It takes the place that Huffman coding has in other formats.
//!
//! [`meter`] measures what the bits of a matrix are spent on.

pub mod bits;
pub mod gaps;
mod logistic;
pub mod matrix;
pub mod meter;
pub(crate) mod numbers;
mod part;
pub(crate) mod predictor;
pub mod range_coder;
pub mod reader;
pub mod varint;
