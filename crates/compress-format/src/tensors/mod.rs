//! One tensor as bytes, in one of several codings.
//!
//! What all forms of the file share: they differ in where they say a tensor's name, shape, kind and
//! coding.

pub(crate) mod codes;
mod coding;
pub(crate) mod content;
pub(crate) mod floats;
pub(crate) mod grid;
mod stored;
pub(crate) mod stream;

pub(crate) use coding::Coding;
pub use stored::StoredTensor;
