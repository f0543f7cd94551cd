//! What follows a product.

/// What follows a product: bias and ReLU.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// A bias for each row of W, zero where there is none.
    pub bias: Option<&'a [f32]>,
    /// Whether values that are not above zero become +0; NaN stays.
    pub relu: bool,
}
