//! What an entropy coder charges, in bits: the contract between coders and the algorithms that weigh
//! an error against bits. `compress-format` implements it.

use std::fmt;

/// A coder's prices for one matrix of integers.
pub trait MatrixPrices: fmt::Debug + Send + Sync {
    /// How many columns the matrix has.
    fn columns(&self) -> usize;

    /// The bits that each value of `codes`, row-major, costs for not being zero, without its
    /// magnitude; 0 for a zero.
    fn presence_bits(&self, codes: &[i32]) -> Vec<f32>;

    /// The columns near `column` that the coder has met before it: a value among others there is
    /// cheaper. Empty where columns have no neighbours but those in line.
    fn before(&self, column: usize) -> Vec<usize>;
}

/// A coder's prices for the weights of a model.
pub trait Prices: fmt::Debug + Send + Sync {
    /// The prices for the weight `name` with this many columns.
    fn matrix(&self, name: &str, columns: usize) -> Box<dyn MatrixPrices + '_>;
}
