//! The contract of quantization: the grid of representable values, tensors of codes on a grid, and
//! the codec that turns weights into codes.

use serde::{Deserialize, Serialize};

use crate::shape::volume;
use crate::{Error, Result};

#[cfg(test)]
mod tests;

pub use crate::kernels::granularity::Granularity;

/// A grid: the values that codes stand for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Grid {
    /// Linear (uniform) quantization, symmetric or affine: `scale · (code − zero_point)` (ONNX,
    /// `DequantizeLinear`).
    Linear {
        /// Width of a code, 2 to 16.
        bits: u8,
        /// Which values share a scale.
        granularity: Granularity,
        /// One for each set of values that share it, in row-major order; positive.
        scales: Vec<f32>,
        /// Affine (asymmetric): one zero point for each scale, and codes from 0 to 2^bits − 1.
        /// Symmetric: empty, and codes from −(2^(bits−1) − 1) to 2^(bits−1) − 1 with zero at 0.
        zero_points: Vec<i32>,
    },
    /// A codebook: `values[code]`, with one list for the whole tensor.
    Codebook {
        /// Ascending; at most 65,536.
        values: Vec<f32>,
    },
    /// Power-of-two quantization: zero for code 0, else
    /// `sign(code) · 2^(max_exponent − |code| + 1)`.
    PowerOfTwo {
        /// Width of a code, 2 to 8; codes run from −(2^(bits−1) − 1) to 2^(bits−1) − 1.
        bits: u8,
        /// The exponent of the largest level.
        max_exponent: i8,
    },
}

impl Grid {
    /// The smallest and the largest code. Of a width that [`Grid::validate`] refuses, the range
    /// of the nearest width from 1 to 16; of an empty codebook (0, −1).
    pub fn code_range(&self) -> (i32, i32) {
        match self {
            Grid::Linear {
                bits, zero_points, ..
            } if !zero_points.is_empty() => (0, (1 << (*bits).clamp(1, 16)) - 1),
            Grid::Linear { bits, .. } | Grid::PowerOfTwo { bits, .. } => {
                let top = (1 << ((*bits).clamp(1, 16) - 1)) - 1;
                (-top, top)
            }
            Grid::Codebook { values } => (0, values.len().min(1 << 16) as i32 - 1),
        }
    }

    /// The width of a code in bits, if all codes have the same width.
    pub fn bits(&self) -> u32 {
        let (low, high) = self.code_range();
        // The range of an empty codebook is empty.
        let most = u32::try_from(high - low).unwrap_or(0);
        most.checked_ilog2().map_or(0, |b| b + 1)
    }

    /// The bits of the grid itself: scales, zero points, codebook values.
    pub fn parameter_bits(&self) -> u64 {
        match self {
            Grid::Linear {
                bits,
                scales,
                zero_points,
                ..
            } => 32 * scales.len() as u64 + u64::from(*bits) * zero_points.len() as u64,
            Grid::Codebook { values } => 32 * values.len() as u64,
            Grid::PowerOfTwo { .. } => 8,
        }
    }

    /// Fails where a field is out of range or the number of scales does not fit `shape`.
    pub fn validate(&self, name: &str, shape: &[usize]) -> Result<()> {
        let what = |field: &str| format!("{field} of {name}");
        match self {
            Grid::Linear {
                bits,
                granularity,
                scales,
                zero_points,
            } => {
                if !(2..=16).contains(bits) {
                    return Err(Error::invalid(what("bits"), bits, "2 to 16"));
                }
                let sets = granularity.sets(shape);
                Error::check_shape(&what("scales"), &[sets], &[scales.len()])?;
                if !zero_points.is_empty() {
                    Error::check_shape(&what("zero points"), &[sets], &[zero_points.len()])?;
                }
                if let Some(s) = scales.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
                    return Err(Error::invalid(what("scale"), s, "positive and finite"));
                }
                let (low, high) = self.code_range();
                if let Some(z) = zero_points.iter().find(|z| !(low..=high).contains(*z)) {
                    return Err(Error::invalid(
                        what("zero point"),
                        z,
                        format!("{low} to {high}"),
                    ));
                }
                for (set, &scale) in scales.iter().enumerate() {
                    let zero = zero_points.get(set).copied().unwrap_or(0);
                    let farthest = (high - zero).max(zero - low) as f32;
                    if !(scale * farthest).is_finite() {
                        let expected = "so small that every level is finite";
                        return Err(Error::invalid(what("scale"), scale, expected));
                    }
                }
            }
            Grid::Codebook { values } => {
                if values.is_empty() || values.len() > 1 << 16 {
                    return Err(Error::invalid(
                        what("codebook size"),
                        values.len(),
                        "1 to 65536",
                    ));
                }
                Error::check_finite(&what("codebook"), values)?;
                if let Some(w) = values.windows(2).find(|w| w[0] > w[1]) {
                    let found = format!("{} before {}", w[0], w[1]);
                    return Err(Error::invalid(what("codebook"), found, "ascending"));
                }
            }
            Grid::PowerOfTwo { bits, .. } => {
                if !(2..=8).contains(bits) {
                    return Err(Error::invalid(what("bits"), bits, "2 to 8"));
                }
            }
        }
        Ok(())
    }

    /// Writes the values that `codes` stand for. `shape` is the tensor's.
    ///
    /// # Errors
    /// Where lengths differ, [`Grid::validate`] refuses the grid, or a code is outside of
    /// [`Grid::code_range`].
    pub fn dequantize_into(&self, codes: &[i32], shape: &[usize], out: &mut [f32]) -> Result<()> {
        self.dequantize_named("a tensor", codes, shape, out)
    }

    /// As [`Grid::dequantize_into`]; errors call the tensor `name`.
    fn dequantize_named(
        &self,
        name: &str,
        codes: &[i32],
        shape: &[usize],
        out: &mut [f32],
    ) -> Result<()> {
        self.validate(name, shape)?;
        self.check_codes(name, codes, shape)?;
        Error::check_shape("dequantized values", &[codes.len()], &[out.len()])?;
        match self {
            Grid::Linear {
                granularity,
                scales,
                zero_points,
                ..
            } => {
                for (set, range) in granularity.ranges(shape).enumerate() {
                    let scale = scales[set];
                    let zero = zero_points.get(set).copied().unwrap_or(0);
                    for (out, &code) in out[range.clone()].iter_mut().zip(&codes[range]) {
                        *out = scale * (code - zero) as f32;
                    }
                }
            }
            Grid::Codebook { values } => {
                for (out, &code) in out.iter_mut().zip(codes) {
                    *out = values[code as usize];
                }
            }
            Grid::PowerOfTwo { max_exponent, .. } => {
                for (out, &code) in out.iter_mut().zip(codes) {
                    *out = power_of_two_level(code, *max_exponent);
                }
            }
        }
        Ok(())
    }

    /// Fails where the codes of the tensor `name` are too few or too many, or one is outside of
    /// [`Grid::code_range`].
    fn check_codes(&self, name: &str, codes: &[i32], shape: &[usize]) -> Result<()> {
        let what = format!("codes of {name}");
        Error::check_shape(&what, &[volume(shape)], &[codes.len()])?;
        let (low, high) = self.code_range();
        match codes.iter().find(|c| !(low..=high).contains(*c)) {
            None => Ok(()),
            Some(code) => Err(Error::invalid(
                format!("a code of {name}"),
                code,
                format!("{low} to {high}"),
            )),
        }
    }
}

/// The value of `code` on a [`Grid::PowerOfTwo`]; exact.
fn power_of_two_level(code: i32, max_exponent: i8) -> f32 {
    if code == 0 {
        return 0.0;
    }
    // At most 128 levels below 2^127: f64 holds them all, and the cast to f32 is exact or
    // rounds a subnormal the same way everywhere.
    let exponent = i64::from(max_exponent) - i64::from(code.unsigned_abs()) + 1;
    let magnitude = f64::from_bits(((1023 + exponent) as u64) << 52) as f32;
    if code < 0 { -magnitude } else { magnitude }
}

/// A quantized tensor: codes, and the grid that they are on.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedTensor {
    /// The parameter's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What the codes stand for.
    pub grid: Grid,
    /// One code per value, row-major.
    pub codes: Vec<i32>,
}

impl QuantizedTensor {
    /// Fails where the grid does not fit the shape or a code is not on it.
    pub fn validate(&self) -> Result<()> {
        self.grid.validate(&self.name, &self.shape)?;
        self.grid.check_codes(&self.name, &self.codes, &self.shape)
    }

    /// The values that the codes stand for.
    pub fn dequantize(&self) -> Result<Vec<f32>> {
        let mut out = vec![0.0; self.codes.len()];
        self.grid
            .dequantize_named(&self.name, &self.codes, &self.shape, &mut out)?;
        Ok(out)
    }
}

/// A named tensor as it is stored: in full precision, or as codes.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// Full precision.
    Float {
        /// The parameter's name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The values, row-major.
        values: Vec<f32>,
    },
    /// Codes on a grid.
    Quantized(QuantizedTensor),
}

impl Tensor {
    /// The parameter's name.
    pub fn name(&self) -> &str {
        match self {
            Tensor::Float { name, .. } => name,
            Tensor::Quantized(tensor) => &tensor.name,
        }
    }

    /// Its shape; the first axis is the outputs.
    pub fn shape(&self) -> &[usize] {
        match self {
            Tensor::Float { shape, .. } => shape,
            Tensor::Quantized(tensor) => &tensor.shape,
        }
    }

    /// The values that the tensor stands for, row-major.
    ///
    /// # Errors
    /// Where a code is not on its grid.
    pub fn values(&self) -> Result<Vec<f32>> {
        match self {
            Tensor::Float { values, .. } => Ok(values.clone()),
            Tensor::Quantized(tensor) => tensor.dequantize(),
        }
    }

    /// Fails where the content does not fit its own shape or grid.
    ///
    /// # Errors
    /// Where the number of values is not the shape's, one is NaN or infinite, or a code is not on
    /// its grid.
    pub fn validate(&self) -> Result<()> {
        match self {
            Tensor::Quantized(tensor) => tensor.validate(),
            Tensor::Float {
                name,
                shape,
                values,
            } => {
                Error::check_shape(name, &[shape.iter().product()], &[values.len()])?;
                Error::check_finite(name, values)
            }
        }
    }
}

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

    /// Writes the code of each weight of a tensor of `shape`.
    ///
    /// # Errors
    /// Where lengths differ, the grid does not fit `shape`, or a weight is NaN.
    fn encode_into(&self, weights: &[f32], shape: &[usize], codes: &mut [i32]) -> Result<()>;

    /// The tensor of codes of the weights.
    fn encode(&self, name: &str, weights: &[f32], shape: &[usize]) -> Result<QuantizedTensor> {
        let mut codes = vec![0; weights.len()];
        self.encode_into(weights, shape, &mut codes)?;
        let grid = self.grid().clone();
        Ok(QuantizedTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            grid,
            codes,
        })
    }

    /// Fake quantization: replaces each weight by the value of its code, decode(encode(x)).
    fn fake_quantize(&self, weights: &mut [f32], shape: &[usize]) -> Result<()> {
        let mut codes = vec![0; weights.len()];
        self.encode_into(weights, shape, &mut codes)?;
        self.grid().dequantize_into(&codes, shape, weights)
    }

    /// Exact size of `count` codes of fixed width and of the grid, in bits.
    fn size_bits(&self, count: usize) -> u64 {
        self.grid().parameter_bits() + u64::from(self.grid().bits()) * count as u64
    }
}
