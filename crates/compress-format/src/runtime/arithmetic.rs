//! How layers are computed.

/// The arithmetic of a model's layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// In f32: what a network with the decoded parameters computes, bit for bit but for the sign
    /// of a zero. Weights that are zero are left out where that is faster.
    #[default]
    Exact,
    /// On integers, where a kernel can multiply a layer's codes: codes of 8 bits with a scale for
    /// each tensor or channel, codes of 4 bits with scales for groups, ggml's blocks, or a codebook of 16 values.
    /// A layer's inputs are rounded to 8 bits, with a scale for each row or, beside 4 bits, for
    /// each 32 values of a row; beside a codebook they stay f32. This is faster, and predictions
    /// may differ a little. Other layers run as with [`Arithmetic::Exact`]. A value that overflows
    /// f32 before a layer of 8 bits is an error.
    Integer,
}
