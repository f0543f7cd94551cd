//! Shapes of tensors.

/// How many values a tensor of this shape holds; `usize::MAX` where they are more, as a file can
/// claim.
pub fn volume(shape: &[usize]) -> usize {
    // A zero anywhere makes it empty, even if the product of the dimensions before it overflows.
    if shape.contains(&0) {
        return 0;
    }
    shape.iter().fold(1, |n: usize, &d| n.saturating_mul(d))
}

/// Rows and columns of a tensor as a matrix: a row is everything but the first axis, since that is
/// what an output sums over. A vector `[n]` is one row.
pub fn matrix_shape(shape: &[usize]) -> (usize, usize) {
    match shape {
        [] => (1, 1),
        [n] => (1, *n),
        [rows, row @ ..] => (*rows, volume(row)),
    }
}
