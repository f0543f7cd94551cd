//! Repair without training: what pruning changed in the outputs of each layer is made up for by the
//! weights that stay (`least_squares.rs`) or by the biases alone (`bias.rs`).
//!
//! Both compare what a layer read in the original model with what it reads in the pruned one
//! (`products.rs`). `model.rs` goes through the layers of two models.

mod bias;
mod layer;
mod least_squares;
mod model;
mod products;

pub use bias::{correct_bias, correct_biases};
pub use layer::{LayerView, RepairedLayer};
pub use least_squares::{reconstruct, reconstruct_layer};
pub use products::InputProducts;
