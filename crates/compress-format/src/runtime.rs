//! Inference: runs a compressed model, from its bytes to predictions, without any training code.
//!
//! Each layer's weights are laid out once, when the model is loaded, for the kernel that suits them
//! ([`LayerKernel`]). Whole batches are never copied between layers. Rows are cut into blocks, by
//! their number alone. A block passes through all layers in buffers that a [`Session`] keeps, so a
//! thread works in its own cache and a call allocates nothing. Up to three rows through a small
//! model of whole numbers take a shorter way (`one_row.rs`), with the same bits.

mod arithmetic;
mod layer;
mod model;
mod one_row;
mod predict;
mod session;
mod weight;

#[cfg(test)]
mod tests;

pub use self::arithmetic::Arithmetic;
pub use self::model::Runtime;
pub use self::session::Session;
pub use self::weight::LayerKernel;
