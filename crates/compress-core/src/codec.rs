//! The contract of quantization: the grid of representable values, tensors of codes on a grid or in
//! ggml's blocks, and the codec that turns weights into them.

mod blocks;
mod codes;
mod grid;
mod quantized;
mod tensor;
#[cfg(test)]
mod tests;

pub use crate::kernels::granularity::Granularity;
pub use blocks::{BlockTensor, check_rows};
pub use codes::{CodeSlice, Codes, Iter};
pub use grid::{Grid, largest_codebook};
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

/// Turns the weights of one tensor into codes, or into blocks. A grid is fitted once and then frozen,
/// so what training saw is what is stored.
pub trait WeightCodec: Send + Sync {
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

    /// Exact size of `count` weights in bits: codes of fixed width, and what says what they stand
    /// for.
    fn size_bits(&self, count: usize) -> u64;

    /// What the codes stand for; none where each block of weights has scales of its own, which are
    /// found anew whenever weights are encoded.
    fn grid(&self) -> Option<&Grid>;
}
