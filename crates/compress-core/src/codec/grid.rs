//! Grids: the values that codes stand for.

use serde::{Deserialize, Serialize};

use super::codes::{CodeSlice, Codes, each};
use crate::kernels::granularity::Granularity;
use crate::shape::volume;
use crate::{Error, Result};

/// A grid: the values that codes stand for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
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
    /// A codebook with a scale for each set of values: `scale · values[code]`.
    ScaledCodebook {
        /// Ascending; at most 65,536.
        values: Vec<f32>,
        /// Which values of the tensor share a scale.
        granularity: Granularity,
        /// One for each set of values that share it, in row-major order; positive.
        scales: Vec<f32>,
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
            Grid::Codebook { values } | Grid::ScaledCodebook { values, .. } => {
                (0, values.len().min(1 << 16) as i32 - 1)
            }
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
            Grid::ScaledCodebook { values, scales, .. } => {
                32 * (values.len() as u64 + scales.len() as u64)
            }
            Grid::PowerOfTwo { .. } => 8,
        }
    }

    /// The bits of `count` codes of fixed width and of the grid itself.
    pub fn size_bits(&self, count: usize) -> u64 {
        self.parameter_bits() + u64::from(self.bits()) * count as u64
    }

    /// Fails where a field is out of range or the number of scales does not fit `shape`.
    pub fn validate(&self, name: &str, shape: &[usize]) -> Result<()> {
        if let Grid::Linear {
            granularity,
            scales,
            ..
        }
        | Grid::ScaledCodebook {
            granularity,
            scales,
            ..
        } = self
        {
            let sets = granularity.sets(shape);
            Error::check_shape(&format!("scales of {name}"), &[sets], &[scales.len()])?;
        }
        if let Grid::Codebook { values } | Grid::ScaledCodebook { values, .. } = self {
            let most = largest_codebook(shape);
            if values.len() > most {
                let what = format!("codebook size of {name}");
                return Err(Error::invalid(
                    what,
                    values.len(),
                    format!("at most {most}"),
                ));
            }
        }
        self.check_fields(name)
    }

    /// Fails where a field is out of range, whatever tensor the grid is for.
    pub fn check_fields(&self, name: &str) -> Result<()> {
        if let Grid::Linear { granularity, .. } | Grid::ScaledCodebook { granularity, .. } = self {
            granularity.validate(name)?;
        }
        let what = |field: &str| format!("{field} of {name}");
        let check_bits = |bits: u8, most: u8| match (2..=most).contains(&bits) {
            true => Ok(()),
            false => Err(Error::invalid(what("bits"), bits, format!("2 to {most}"))),
        };
        match self {
            Grid::Linear {
                bits,
                scales,
                zero_points,
                ..
            } => {
                check_bits(*bits, 16)?;
                if !zero_points.is_empty() {
                    let count = [zero_points.len()];
                    Error::check_shape(&what("zero points"), &[scales.len()], &count)?;
                }
                check_scales(name, scales)?;
                let (low, high) = self.code_range();
                if let Some(z) = zero_points.iter().find(|z| !(low..=high).contains(*z)) {
                    let expected = format!("{low} to {high}");
                    return Err(Error::invalid(what("zero point"), z, expected));
                }
                let farthest = |set: usize| {
                    let zero = zero_points.get(set).copied().unwrap_or(0);
                    (high - zero).max(zero - low) as f32
                };
                check_levels(name, scales, farthest)
            }
            Grid::Codebook { values } => check_codebook(name, values),
            Grid::ScaledCodebook { values, scales, .. } => {
                check_codebook(name, values)?;
                check_scales(name, scales)?;
                let farthest = values.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
                check_levels(name, scales, |_| farthest)
            }
            Grid::PowerOfTwo { bits, .. } => check_bits(*bits, 8),
        }
    }

    /// Writes the values that `codes` stand for. `shape` is the tensor's.
    ///
    /// # Errors
    /// Where lengths differ, [`Grid::validate`] refuses the grid, or a code is outside of
    /// [`Grid::code_range`].
    pub fn dequantize_into(&self, codes: &Codes, shape: &[usize], out: &mut [f32]) -> Result<()> {
        self.dequantize_named("a tensor", codes, shape, out)
    }

    /// As [`Grid::dequantize_into`]; errors call the tensor `name`.
    pub(super) fn dequantize_named(
        &self,
        name: &str,
        codes: &Codes,
        shape: &[usize],
        out: &mut [f32],
    ) -> Result<()> {
        self.validate(name, shape)?;
        self.check_codes(name, codes, shape)?;
        Error::check_shape("dequantized values", &[codes.len()], &[out.len()])?;
        each!(CodeSlice, codes.as_slice(), codes => self.values_of(codes, shape, out));
        Ok(())
    }

    /// Writes the values of codes that have been checked.
    fn values_of<T: Copy + Into<i32>>(&self, codes: &[T], shape: &[usize], out: &mut [f32]) {
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
                        *out = scale * (code.into() - zero) as f32;
                    }
                }
            }
            Grid::Codebook { values } => {
                for (out, &code) in out.iter_mut().zip(codes) {
                    *out = values[code.into() as usize];
                }
            }
            Grid::ScaledCodebook {
                values,
                granularity,
                scales,
            } => {
                for (range, scale) in granularity.ranges(shape).zip(scales) {
                    for (out, &code) in out[range.clone()].iter_mut().zip(&codes[range]) {
                        *out = scale * values[code.into() as usize];
                    }
                }
            }
            Grid::PowerOfTwo { max_exponent, .. } => {
                for (out, &code) in out.iter_mut().zip(codes) {
                    *out = power_of_two_level(code.into(), *max_exponent);
                }
            }
        }
    }

    /// Fails where the codes of the tensor `name` are too few or too many, or one is outside of
    /// [`Grid::code_range`].
    pub(super) fn check_codes(&self, name: &str, codes: &Codes, shape: &[usize]) -> Result<()> {
        let what = format!("codes of {name}");
        Error::check_shape(&what, &[volume(shape)], &[codes.len()])?;
        let (low, high) = self.code_range();
        match codes.outside((low, high)) {
            None => Ok(()),
            Some(code) => Err(Error::invalid(
                format!("a code of {name}"),
                code,
                format!("{low} to {high}"),
            )),
        }
    }
}

/// Fails at a scale that is not positive and finite.
fn check_scales(name: &str, scales: &[f32]) -> Result<()> {
    match scales.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
        None => Ok(()),
        Some(s) => {
            let what = format!("scale of {name}");
            Err(Error::invalid(what, s, "positive and finite"))
        }
    }
}

/// Fails where a scale times the largest magnitude of its set overflows.
fn check_levels(name: &str, scales: &[f32], farthest: impl Fn(usize) -> f32) -> Result<()> {
    for (set, &scale) in scales.iter().enumerate() {
        if !(scale * farthest(set)).is_finite() {
            let expected = "so small that every level is finite";
            return Err(Error::invalid(format!("scale of {name}"), scale, expected));
        }
    }
    Ok(())
}

/// Fails where the values of a codebook are too many, not finite or not ascending.
fn check_codebook(name: &str, values: &[f32]) -> Result<()> {
    if values.is_empty() || values.len() > 1 << 16 {
        let what = format!("codebook size of {name}");
        return Err(Error::invalid(what, values.len(), "1 to 65536"));
    }
    let what = format!("codebook of {name}");
    Error::check_finite(&what, values)?;
    match values.windows(2).find(|w| w[0] > w[1]) {
        None => Ok(()),
        Some(w) => {
            let found = format!("{} before {}", w[0], w[1]);
            Err(Error::invalid(what, found, "ascending"))
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

/// A grid as it is deserialized, before it is checked.
#[derive(Deserialize)]
#[serde(rename = "Grid")]
enum Unchecked {
    Linear {
        bits: u8,
        granularity: Granularity,
        scales: Vec<f32>,
        zero_points: Vec<i32>,
    },
    Codebook {
        values: Vec<f32>,
    },
    PowerOfTwo {
        bits: u8,
        max_exponent: i8,
    },
    ScaledCodebook {
        values: Vec<f32>,
        granularity: Granularity,
        scales: Vec<f32>,
    },
}

impl TryFrom<Unchecked> for Grid {
    type Error = Error;

    fn try_from(unchecked: Unchecked) -> Result<Self> {
        let grid = match unchecked {
            Unchecked::Linear {
                bits,
                granularity,
                scales,
                zero_points,
            } => Grid::Linear {
                bits,
                granularity,
                scales,
                zero_points,
            },
            Unchecked::Codebook { values } => Grid::Codebook { values },
            Unchecked::ScaledCodebook {
                values,
                granularity,
                scales,
            } => Grid::ScaledCodebook {
                values,
                granularity,
                scales,
            },
            Unchecked::PowerOfTwo { bits, max_exponent } => Grid::PowerOfTwo { bits, max_exponent },
        };
        grid.check_fields("a tensor")?;
        Ok(grid)
    }
}

/// How many values a codebook of a tensor of `shape` may have: as many as the tensor, or 256 where
/// it has fewer, and at most 65,536. So a file of small tensors cannot claim large codebooks.
pub fn largest_codebook(shape: &[usize]) -> usize {
    volume(shape).clamp(1 << 8, 1 << 16)
}
