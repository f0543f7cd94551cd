//! Entropy coding of sparse matrices of small integers, close to their entropy.
//!
//! For each row, an adaptive model and the range coder code how many values are not zero, which
//! ones, and their signs and magnitudes. The model is written once for both directions:
//! [`code_integers`] writes with an encoder and reads with a decoder.

mod code;
mod counts;
pub mod geometry;
mod magnitude;
mod positions;
mod presence;

pub use code::{LARGEST, code_integers, code_sparse};
pub use presence::presence_bits;

#[cfg(test)]
mod tests;
