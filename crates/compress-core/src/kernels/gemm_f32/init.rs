//! The beginning of a product.

/// What C starts from.
#[derive(Clone, Copy, Debug)]
pub enum Init<'a> {
    /// Zero: `C = A·B`.
    Zero,
    /// What C holds: `C += A·B`.
    Accumulate,
    /// A value for each column of C: `C = bias + A·B`.
    Bias(&'a [f32]),
}
