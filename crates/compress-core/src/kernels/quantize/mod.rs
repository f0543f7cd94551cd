//! Quantization of f32 values to integer codes, and back.
//!
//! A code is `clamp(round_ties_even(x / scale) + zero_point)`; see [`Steps`]. Values share a scale
//! per tensor, per channel or per group ([`Sets`]). [`quantize_into`] finds the scales: symmetric
//! ones from the largest magnitude, affine (asymmetric) ones with a zero point from the smallest
//! and the largest value. [`encode_into`] takes given scales. If all values of a set are zero, its
//! scale is 1.
//!
//! A code takes a byte, or half of one. The low half of a byte then holds the code at the even
//! index of a row, and the high half the next one. Each row begins with a new byte (the last high
//! half of a row of odd length is 0). ggml's blocks are in [`blocks`].
//!
//! The same pass finds values that are not finite, by the largest magnitude taken as an integer.
//!
//! # Speed
//!
//! The floor is the memory that is read and written. A piece of a few thousand values is read, its
//! scales are found, and its codes are written while it is in the first cache. So memory is read
//! once, unless a set is longer than 32,768 values. The table is for 4096×4096 on two threads of a
//! Zen 5: medians in ms of several runs of `cargo bench -p compress-benches --bench quantize` and
//! `cargo xtask bench quantize`. In those runs copying 67 MB to 67 MB took from 1.2 to 2.7, and the
//! times of writing f32 vary with it:
//!
//! | | quantize | dequantize |
//! | --- | --- | --- |
//! | int8, a tensor | 2.1 to 2.6 | 1.2 to 1.9 |
//! | int8, a channel | 1.5 to 1.8 | 1.0 to 2.0 |
//! | int8, groups of 128 | 2.7 to 2.8 | 1.3 to 2.0 |
//! | int4 packed, groups of 128 | 2.9 to 3.1 | 1.5 to 2.1 |
//! | `Q8_0` | 2.1 to 2.2 | 1.1 to 1.9 |
//!
//! Groups do not reach the floor yet. Stores past the caches were not tried. What the other blocks
//! take is said in [`blocks`].
//!
//! Tried and rejected as slower, for codes of four bits:
//! - casts of floats to integers with `as`, which saturate, and a search bit by bit for the first
//!   value of largest magnitude. Adding 1.5·2²³ gives the integer in the low bits instead;
//! - loops over the 16 bytes of a block, which the compiler unrolls byte by byte. Loops of 32
//!   become vectors.

pub mod blocks;
mod codes;
mod cut;
mod part;
mod reference;
mod run;
mod sets;
mod steps;
#[cfg(test)]
mod tests;

pub use codes::{CodeBuffer, CodeType, Codes, CodesMut};
pub use sets::Sets;
pub use steps::{Steps, scale_and_zero, scale_of, zero_of};

use crate::isa::Isa;
use crate::kernels::reduce::INFINITE;
use crate::{Error, Result};
use part::{Decoding, Encoding, LEAF, Parameters, Part};
use run::{decode, encode, fit_long};

/// Codes, with their scales and zero points.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// As many as [`Sets::codes`] says.
    pub codes: CodeBuffer,
    /// One for each set.
    pub scales: Vec<f32>,
    /// One for each set where codes are affine, else empty.
    pub zero_points: Vec<i32>,
}

/// Finds the scales (and zero points) that span each set's values, and writes the codes.
///
/// # Errors
/// Where lengths disagree with `sets`, the range of [`CodesMut::I8Within`] and its like is neither
/// `0..=n` nor `-n..=n`, or not one that the type holds, or a value is NaN or infinite (the error gives its position; codes
/// and scales are then of no use).
pub fn quantize_into(
    sets: &Sets,
    values: &[f32],
    codes: CodesMut<'_>,
    scales: &mut [f32],
    zero_points: &mut [i32],
) -> Result<()> {
    quantize_into_at(Isa::active()?, sets, values, codes, scales, zero_points)
}

/// As [`quantize_into`], at a given level.
///
/// # Errors
/// As [`quantize_into`].
pub fn quantize_into_at(
    isa: Isa,
    sets: &Sets,
    values: &[f32],
    codes: CodesMut<'_>,
    scales: &mut [f32],
    zero_points: &mut [i32],
) -> Result<()> {
    let (part, range) = check(sets, values, &codes, scales, zero_points)?;
    if values.is_empty() {
        scales.fill(1.0);
        zero_points.fill(0);
        return Ok(());
    }
    // A set that does not stay in the cache is read twice.
    let parameters = if part.set == 0 || part.set > LEAF {
        fit_long(&sets.name, part, values, range, scales, zero_points)?;
        Parameters::Given(scales, zero_points)
    } else {
        Parameters::Fit(scales, zero_points)
    };
    let encoding = Encoding {
        values,
        parameters,
        codes,
    };
    if encode(isa, part, encoding) >= INFINITE {
        Error::check_finite(&sets.name, values)?;
    }
    Ok(())
}

/// As [`quantize_into`], into new memory.
///
/// # Errors
/// As [`quantize_into`].
///
/// ```
/// use compress_core::codec::Granularity;
/// use compress_core::kernels::quantize::{CodeBuffer, CodeType, Sets, quantize};
/// let sets = Sets::new("w", &[2, 2], Granularity::Channel)?;
/// let quantized = quantize(&sets, &[0.7, -0.3, 0.0, 1.4], CodeType::I4)?;
/// assert_eq!(quantized.codes, CodeBuffer::I4(vec![0xd7, 0x70]));
/// # Ok::<(), compress_core::Error>(())
/// ```
pub fn quantize(sets: &Sets, values: &[f32], code_type: CodeType) -> Result<Quantized> {
    // Before memory is taken by what the shape says alone.
    sets.check_values(values.len())?;
    let mut quantized = Quantized {
        codes: CodeBuffer::zeroed(code_type, sets.codes(code_type)),
        scales: vec![0.0; sets.scales()],
        zero_points: vec![0; sets.zeros(code_type.is_symmetric())],
    };
    let Quantized {
        codes,
        scales,
        zero_points,
    } = &mut quantized;
    quantize_into(sets, values, codes.as_codes_mut(), scales, zero_points)?;
    Ok(quantized)
}

/// Writes the codes at given scales and zero points (none where codes are symmetric). Infinities
/// saturate.
///
/// # Errors
/// Where lengths disagree with `sets`, a range of codes is none as in
/// [`quantize_into`], a scale is not positive and finite, a zero point is not a code, or a value
/// is NaN (the error gives its position).
pub fn encode_into(
    sets: &Sets,
    values: &[f32],
    scales: &[f32],
    zero_points: &[i32],
    codes: CodesMut<'_>,
) -> Result<()> {
    encode_into_at(Isa::active()?, sets, values, scales, zero_points, codes)
}

/// As [`encode_into`], at a given level.
///
/// # Errors
/// As [`encode_into`].
pub fn encode_into_at(
    isa: Isa,
    sets: &Sets,
    values: &[f32],
    scales: &[f32],
    zero_points: &[i32],
    codes: CodesMut<'_>,
) -> Result<()> {
    let (part, range) = check(sets, values, &codes, scales, zero_points)?;
    if let Some(s) = scales.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
        return Err(Error::invalid(sets.what("scale"), s, "positive and finite"));
    }
    sets.check_zeros(zero_points, range)?;
    let encoding = Encoding {
        values,
        parameters: Parameters::Given(scales, zero_points),
        codes,
    };
    let largest = encode(isa, part, encoding);
    match values.iter().position(|v| largest > INFINITE && v.is_nan()) {
        None => Ok(()),
        Some(index) => Err(Error::NonFinite {
            what: sets.name.clone(),
            index,
            value: f32::NAN,
        }),
    }
}

/// As [`encode_into`], into new memory.
///
/// # Errors
/// As [`encode_into`].
#[cfg(test)]
pub(crate) fn encode_to(
    sets: &Sets,
    values: &[f32],
    scales: &[f32],
    zero_points: &[i32],
    code_type: CodeType,
) -> Result<CodeBuffer> {
    sets.check_values(values.len())?;
    let mut codes = CodeBuffer::zeroed(code_type, sets.codes(code_type));
    encode_into(sets, values, scales, zero_points, codes.as_codes_mut())?;
    Ok(codes)
}

/// Writes the values that codes stand for, `scale · (code − zero_point)`.
///
/// # Errors
/// Where lengths disagree with `sets`, or a zero point is not a code.
pub fn dequantize_into(
    sets: &Sets,
    codes: Codes<'_>,
    scales: &[f32],
    zero_points: &[i32],
    values: &mut [f32],
) -> Result<()> {
    dequantize_into_at(Isa::active()?, sets, codes, scales, zero_points, values)
}

/// As [`dequantize_into`], at a given level.
///
/// # Errors
/// As [`dequantize_into`].
pub fn dequantize_into_at(
    isa: Isa,
    sets: &Sets,
    codes: Codes<'_>,
    scales: &[f32],
    zero_points: &[i32],
    values: &mut [f32],
) -> Result<()> {
    let code_type = codes.code_type();
    let part = sets.part(values.len(), codes.len(), code_type.is_packed())?;
    sets.check_parameters(scales.len(), zero_points.len(), code_type.is_symmetric())?;
    sets.check_zeros(zero_points, code_type.range())?;
    let decoding = Decoding {
        values,
        parameters: Parameters::Given(scales, zero_points),
        codes,
    };
    decode(isa, part, decoding);
    Ok(())
}

/// As [`dequantize_into`], into new memory.
///
/// # Errors
/// As [`dequantize_into`].
pub fn dequantize(
    sets: &Sets,
    codes: Codes<'_>,
    scales: &[f32],
    zero_points: &[i32],
) -> Result<Vec<f32>> {
    let code_type = codes.code_type();
    sets.part(sets.values(), codes.len(), code_type.is_packed())?;
    let mut values = vec![0.0; sets.values()];
    dequantize_into(sets, codes, scales, zero_points, &mut values)?;
    Ok(values)
}

/// The whole tensor as a part, and the range of the codes, if lengths and range fit.
fn check(
    sets: &Sets,
    values: &[f32],
    codes: &CodesMut<'_>,
    scales: &[f32],
    zero_points: &[i32],
) -> Result<(Part, (i32, i32))> {
    let range = check_range(codes)?;
    let part = sets.part(values.len(), codes.len(), codes.is_packed())?;
    sets.check_parameters(scales.len(), zero_points.len(), range.0 < 0)?;
    Ok((part, range))
}

/// The range of the codes, if it can be used: one that their type holds, with zero in it.
fn check_range(codes: &CodesMut<'_>) -> Result<(i32, i32)> {
    let (low, high) = codes.range();
    let symmetric = low < 0 && high.checked_neg() == Some(low);
    let (least, most) = codes.held();
    if (symmetric || low == 0) && high > 0 && low >= least && high <= most {
        return Ok((low, high));
    }
    let found = format!("{low} to {high}");
    let expected = format!("0 to n or −n to n, within {least} to {most}");
    Err(Error::invalid("range of codes", found, expected))
}
