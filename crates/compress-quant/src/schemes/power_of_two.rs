//! Power-of-two quantization: a product with such a weight is a shift.

use compress_core::codec::WeightCodec;
use compress_core::kernels::reduce;
use compress_core::{Error, Result};

use crate::codecs::PowerOfTwoCodec;
use crate::codecs::power_of_two::{MIN_EXPONENT, min_exponent, power_of_two};
use crate::rounding::check_volume;
use crate::scheme::Scheme;

/// Power-of-two quantization: the levels are zero and ±2^e for 2^(bits−1) − 1 consecutive exponents
/// e. The largest exponent is the one with the least sum of squared errors. Weights go to the
/// nearest level in value.
///
/// # References
/// Zhou et al., *Incremental network quantization*, 1702.03044, section 2.1. There the largest
/// exponent follows from the largest magnitude; here it is the optimum.
///
/// ```
/// use compress_quant::schemes::{PowerOfTwo, Scheme};
/// let codec = PowerOfTwo::new(3)?.fit("w", &[1.0, -0.5, 0.3, 0.0], &[4])?;
/// let mut weights = [0.9, -0.6, 0.3, 0.01];
/// codec.fake_quantize(&mut weights, &[4])?;
/// assert_eq!(weights, [1.0, -0.5, 0.25, 0.0]);
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerOfTwo {
    bits: u8,
}

impl PowerOfTwo {
    /// Codes of `bits` (2 to 8) bits.
    ///
    /// # Errors
    /// Where `bits` is out of range.
    pub fn new(bits: u8) -> Result<Self> {
        if !(2..=8).contains(&bits) {
            return Err(Error::invalid("bits of power_of_two", bits, "2 to 8"));
        }
        Ok(PowerOfTwo { bits })
    }
}

impl Scheme for PowerOfTwo {
    fn name(&self) -> &'static str {
        "power_of_two"
    }

    fn fit(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<Box<dyn WeightCodec>> {
        check_volume(name, shape, weights.len())?;
        let bound = reduce::absmax(name, weights)?;
        let max_exponent = if bound > 0.0 {
            best_exponent(&half_binades(weights), self.bits)
        } else {
            0
        };
        // All exponents that were tried fit.
        let max_exponent = i8::try_from(max_exponent).map_err(Error::other)?;
        Ok(Box::new(PowerOfTwoCodec::new(
            name,
            self.bits,
            max_exponent,
        )?))
    }
}

/// The magnitudes within half a binade (the numbers between two powers of two). Every boundary
/// between two levels is a boundary between two such halves. So all magnitudes in a half go to one
/// level, whatever the levels are.
#[derive(Clone, Copy, Debug, Default)]
struct HalfBinade {
    count: f64,
    sum: f64,
    square_sum: f64,
}

/// With e' = e + 127: `[2·e']` from 2^e to 1.5·2^e, `[2·e' + 1]` from there to 2^(e+1). Subnormal
/// numbers have one bit of exponent in this reading: `[1]` from 2⁻¹²⁷ on, `[0]` below.
fn half_binades(weights: &[f32]) -> Vec<HalfBinade> {
    let mut halves = vec![HalfBinade::default(); 2 * 255];
    for w in weights {
        let magnitude = w.abs();
        let value = f64::from(magnitude);
        // The exponent and the first bit of the mantissa.
        let half = &mut halves[(magnitude.to_bits() >> 22) as usize];
        half.count += 1.0;
        half.sum += value;
        half.square_sum += value * value;
    }
    halves
}

/// The exponent of the largest level with the least squared error; the smallest of equals.
fn best_exponent(halves: &[HalfBinade], bits: u8) -> i32 {
    let mut best = (0, f64::INFINITY);
    for exponent in MIN_EXPONENT..=127 {
        let error = squared_error(halves, bits, exponent);
        if error < best.1 {
            best = (exponent, error);
        }
    }
    best.0
}

/// The squared error of all weights if 2^`max_exponent` is the largest level.
fn squared_error(halves: &[HalfBinade], bits: u8, max_exponent: i32) -> f64 {
    let low = min_exponent(bits, max_exponent);
    let error = |(index, half): (usize, &HalfBinade)| {
        let exponent = index as i32 / 2 - 127;
        // From the upper half of a binade on the next power is the nearest.
        let nearest = exponent + index as i32 % 2;
        if exponent < low - 1 || index == 0 {
            return half.square_sum;
        }
        let level = f64::from(power_of_two(nearest.clamp(low, max_exponent)));
        half.square_sum - 2.0 * level * half.sum + half.count * level * level
    };
    halves.iter().enumerate().map(error).sum()
}
