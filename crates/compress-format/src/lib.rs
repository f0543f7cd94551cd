//! The compressed model file (`.cmp`), the coders that make it small, and the runtime that predicts
//! from it.
//!
//! - [`artifact`]: the file of a model.
//! - [`container`]: a file of named tensors of any rank, read one by one, without any network.
//! - [`coding`]: byte coders, up to entropy coding with a range coder (arithmetic coding).
//! - [`runtime`]: predictions from a file, without any training code.
//! - [`CoderPrices`]: what the entropy coder charges, for algorithms that weigh errors against bits.
//! - [`Pooling`]: fixed functions of images that may stand before the first layer.

// In tests, the macro `s!` of `ndarray` allows itself what `forbid` would not let it.
#![cfg_attr(not(test), forbid(unsafe_code))]

pub mod artifact;
pub mod coding;
pub mod container;
mod front;
mod limits;
mod prices;
mod program;
pub mod runtime;
mod tensors;

pub use front::Pooling;
pub use prices::CoderPrices;
