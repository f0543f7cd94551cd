//! Linear algebra in f64 with the same bits at every level and thread count.
//!
//! There is one factorization, [`Cholesky`]: what second-order pruning, quantization by
//! reconstruction and least squares solve their systems with; and one product,
//! [`subtract_product`].

mod cholesky;
mod product;

pub use cholesky::{Cholesky, Damping, inverse_upper, inverse_upper_at};
pub use product::{subtract_product, subtract_product_at};
