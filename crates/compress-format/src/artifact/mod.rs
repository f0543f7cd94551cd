//! The compressed model file (`.cmp`): the architecture and every tensor, each stored in the
//! smallest of several codings.
//!
//! Three forms; [`Artifact::to_bytes`] takes the shortest that holds the model:
//!
//! - one `solid` stream, for a model of integers that fits into 4 KiB: the byte 0xD1, 2 bytes of
//!   checksum, then the output of the range coder, which holds architecture, grids and codes one
//!   after another;
//! - version 2: `CMP`, the version, 4 bytes of checksum, the architecture (8 bytes for
//!   784-300-100-10), and for each layer its weight and its bias;
//! - version 3, a [container](crate::container) of named tensors with the chain as its program: for
//!   tensors in ggml's blocks and on scaled codebooks.
//!
//! A tensor is stored in one of four codings:
//!
//! - `dense`: 4 bytes a value, 1 or 2 bytes a code, or blocks as they are;
//! - `packed`: codes in their own width; values without the zero bits that all of them end in;
//! - `sparse`: gaps between the non-zeros, then the non-zeros, packed;
//! - `entropy`: entropy coding by an adaptive model and a range coder (a form of arithmetic
//!   coding); see [`crate::coding::matrix`].
//!
//! Every coding returns exactly the bits that it was given.

mod by_tensor;
mod file;
mod model;
mod solid;
#[cfg(test)]
mod tests;
mod written;

pub use crate::limits::{MOST_PARAMETERS, most_values};
pub use crate::tensors::StoredTensor;
pub use model::Artifact;
