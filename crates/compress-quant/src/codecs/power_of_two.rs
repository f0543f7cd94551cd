//! The codec of [`Grid::PowerOfTwo`]: zero and signed powers of two. A product with such a weight
//! is a bit shift.

use compress_core::codec::{Codes, Grid, Tensor, WeightCodec};
use compress_core::{Error, Result};

use super::quantized::quantized;
use crate::rounding::{check_volume, reject_nan};

/// The exponent of the smallest normal f32. No level below it is ever chosen.
pub(crate) const MIN_EXPONENT: i32 = -126;

/// Rounds to the nearest of 0 and ±2^e; halfway, to the larger magnitude.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerOfTwoCodec {
    name: String,
    grid: Grid,
    max_exponent: i32,
    /// The smallest level and the largest.
    levels: (f32, f32),
}

impl PowerOfTwoCodec {
    /// The codec with codes of `bits` (2 to 8) bits whose largest level is `2^max_exponent`.
    ///
    /// Levels below the smallest normal f32, 2⁻¹²⁶, are never chosen.
    ///
    /// # Errors
    /// Where `bits` or `max_exponent` (−126 to 127) is out of range.
    pub fn new(name: &str, bits: u8, max_exponent: i8) -> Result<Self> {
        let grid = Grid::PowerOfTwo { bits, max_exponent };
        grid.check_fields(name)?;
        let max_exponent = i32::from(max_exponent);
        if max_exponent < MIN_EXPONENT {
            return Err(Error::invalid(
                format!("largest exponent of {name}"),
                max_exponent,
                "-126 to 127",
            ));
        }
        let min_exponent = min_exponent(bits, max_exponent);
        Ok(PowerOfTwoCodec {
            name: name.to_owned(),
            grid,
            max_exponent,
            levels: (power_of_two(min_exponent), power_of_two(max_exponent)),
        })
    }

    fn check(&self, weights: &[f32], shape: &[usize]) -> Result<()> {
        check_volume(&self.name, shape, weights.len())?;
        reject_nan(&self.name, weights)
    }

    /// The bits of the level nearest to `|weight|`, and all ones where it is not zero.
    ///
    /// Here and below, masks take the place of conditions: signs are random, and a branch would be
    /// mispredicted half of the time.
    #[inline(always)]
    fn level(&self, weight: f32) -> (u32, u32) {
        let (low, high) = self.levels;
        let magnitude = weight.abs();
        let saturated = if magnitude < high { magnitude } else { high };
        let saturated = if saturated > low { saturated } else { low };
        let nonzero = u32::from(magnitude >= 0.5 * low).wrapping_neg();
        // Rounds up from 1.5·2^e on.
        let nearest = (saturated.to_bits() + (1 << 22)) & 0xff80_0000;
        (nearest & nonzero, nonzero)
    }
}

impl WeightCodec for PowerOfTwoCodec {
    fn grid(&self) -> Option<&Grid> {
        Some(&self.grid)
    }

    fn size_bits(&self, count: usize) -> u64 {
        self.grid.size_bits(count)
    }

    fn encode(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Tensor> {
        self.check(weights, shape)?;
        let codes = weights.iter().map(|&weight| {
            let (level, nonzero) = self.level(weight);
            let magnitude = self.max_exponent + 1 - ((level >> 23) as i32 - 127);
            let negative = weight.to_bits() as i32 >> 31;
            ((magnitude ^ negative) - negative) & nonzero as i32
        });
        let codes = Codes::saturating(self.grid.code_range(), codes);
        Ok(quantized(name, shape, &self.grid, codes))
    }

    fn fake_quantize(&self, weights: &mut [f32], shape: &[usize]) -> Result<()> {
        self.check(weights, shape)?;
        for weight in weights {
            let (level, nonzero) = self.level(*weight);
            // Zero has no sign.
            let sign = weight.to_bits() & (1 << 31) & nonzero;
            *weight = f32::from_bits(level | sign);
        }
        Ok(())
    }
}

/// The exponent of the smallest level that is chosen.
pub(crate) fn min_exponent(bits: u8, max_exponent: i32) -> i32 {
    let levels = (1 << (bits - 1)) - 1;
    (max_exponent - levels + 1).max(MIN_EXPONENT)
}

/// 2^exponent for an exponent from −126 to 127, exactly.
pub(crate) fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}
