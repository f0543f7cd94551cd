//! Byte coders: how numbers become few bytes, up to entropy coding.
//!
//! Each coder reads what it wrote, and never panics on other bytes. From the plainest to the most
//! compact:
//!
//! - [`varint`]: single numbers;
//! - [`bits`]: codes of a fixed width, and unary numbers;
//! - [`gaps`]: the positions of few among many, by Rice codes;
//! - [`huffman`]: bytes by canonical Huffman codes, read several at once;
//! - [`elements`]: arrays of numbers as other files have them, byte by byte;
//! - [`matrix`]: whole matrices, by an adaptive model and the binary [`range_coder`] (arithmetic
//!   coding).
//!
//! [`meter`] measures what the bits of a matrix are spent on.

pub mod bits;
pub mod elements;
pub mod gaps;
pub mod huffman;
mod logistic;
pub mod matrix;
pub mod meter;
pub(crate) mod numbers;
mod part;
pub(crate) mod predictor;
pub mod range_coder;
pub mod reader;
pub mod varint;
