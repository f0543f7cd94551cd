//! The contract of quantization: the grid of representable values, tensors of codes on a grid, and
//! the codec that turns weights into codes.

mod codes;
mod granularity;
mod grid;
mod quantized;
mod tensor;
#[cfg(test)]
mod tests;

pub use codes::{CodeSlice, Codes, Iter};
pub use granularity::Granularity;
pub use grid::Grid;
pub use quantized::QuantizedTensor;
pub use tensor::Tensor;

use crate::Result;

/// `2^(exponent / 2)`, the same f32 everywhere. The exponent is clamped to −250 to 250.
pub fn sqrt2_power(exponent: i32) -> f32 {
    let exponent = exponent.clamp(-250, 250);
    let whole = f32::from_bits(((exponent.div_euclid(2) + 127) as u32) << 23);
    match exponent.rem_euclid(2) {
        0 => whole,
        _ => whole * std::f32::consts::SQRT_2,
    }
}

/// Turns the weights of one tensor into codes. It is fitted once and then frozen, so what training
/// saw is what is stored.
pub trait WeightCodec: Send + Sync {
    /// What the codes stand for.
    fn grid(&self) -> &Grid;

    /// The tensor that the weights of the tensor `name` of `shape` become.
    ///
    /// # Errors
    /// Where lengths differ, the grid does not fit `shape`, or a weight is NaN.
    fn encode(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Tensor>;

    /// Fake quantization: replaces each weight by the value of its code, decode(encode(x)).
    ///
    /// # Errors
    /// As [`WeightCodec::encode`]; the weights are then unchanged.
    fn fake_quantize(&self, weights: &mut [f32], shape: &[usize]) -> Result<()> {
        let values = self.encode("a tensor", weights, shape)?.values()?;
        weights.copy_from_slice(&values);
        Ok(())
    }

    /// Exact size of `count` codes of fixed width and of the grid, in bits.
    fn size_bits(&self, count: usize) -> u64 {
        self.grid().parameter_bits() + u64::from(self.grid().bits()) * count as u64
    }
}
