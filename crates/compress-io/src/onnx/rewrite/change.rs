//! What a caller asks for.

use crate::onnx::quantize::{Quantizer, RoundToNearest};

/// What becomes of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Other values, in the type that it has.
    Values,
    /// Half precision, and a `Cast` to f32 behind it. The graph computes as before.
    F16,
    /// Codes of 8 bits with a scale for each output, and `DequantizeLinear` behind them.
    Int8,
    /// Codes of 4 bits with a scale for each `block` values that are summed over. A matrix product
    /// becomes `com.microsoft.MatMulNBits`, where the receiver has it and blocks are a power of two of
    /// at least 16; else `DequantizeLinear` of opset 21 is behind them.
    Int4 {
        /// Values that share a scale.
        block: usize,
    },
}

/// What is to run the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// Runs all forms. Where codes of 8 bits are those of a matrix product, it also rounds what they
    /// are multiplied by to 8 bits, unless `session.qdq_matmulnbits_accuracy_level` is 0.
    OnnxRuntime,
    /// Runs 4 bits in matrix products alone, where blocks divide the inputs.
    Rten,
    /// Runs 4 bits in matrix products alone. Some versions take the first scale of
    /// `DequantizeLinear` for all channels, so that codes of 8 bits are followed by `Cast` and `Mul`.
    Tract,
}

/// A tensor and what becomes of it.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    pub(super) tensor: usize,
    pub(super) form: Form,
    pub(super) quantizer: &'a dyn Quantizer,
}

impl<'a> Change<'a> {
    /// What becomes of tensor number `tensor`, whose codes are rounded to the nearest.
    pub fn new(tensor: usize, form: Form) -> Self {
        const NEAREST: RoundToNearest = RoundToNearest { scales: None };
        Change {
            tensor,
            form,
            quantizer: &NEAREST,
        }
    }

    /// The same with codes that `quantizer` makes.
    pub fn by(self, quantizer: &'a dyn Quantizer) -> Self {
        Change { quantizer, ..self }
    }
}

impl std::fmt::Debug for Change<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tensor {} as {:?}", self.tensor, self.form)
    }
}
