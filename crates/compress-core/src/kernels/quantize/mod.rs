//! Quantization of f32 values to integer codes, and back.
//!
//! A code is `clamp(round_ties_even(x / scale) + zero_point)`; see [`Steps`]. Values share a
//! scale by tensor, channel or group ([`Sets`]), symmetric by the largest magnitude or affine by
//! the smallest and the largest value ([`quantize_into`]), or at given scales ([`encode_into`]).
//! Where all values of a set are zero its scale is 1, and so are its codes' values. Codes take a
//! byte, or half of one: the low half of a byte holds the code at the even index of a row, the
//! high half the one after it, and each row begins with a new byte (in a row of odd length the
//! last high half is 0). ggml's blocks are in [`blocks`].
//!
//! What is not finite is found in the same pass, by the largest magnitude as an integer.
//!
//! # Speed
//!
//! The floor is the memory that is read and written. A piece of a few thousand values is read,
//! its scales found, and its codes written while it is in the first cache, so memory is read
//! once unless a set is longer than 32,768 values. Reached for 4096×4096 on two threads of a
//! Zen 5, in ms, where copying 67 MB to 67 MB took 1.2 to 2.6 in the same runs:
//!
//! | | quantize | dequantize |
//! | --- | --- | --- |
//! | int8, a tensor | 2.1 | 1.2 |
//! | int8, a channel | 1.7 | 1.1 |
//! | int8, groups of 128 | 2.7 | 1.3 |
//! | int4 packed, groups of 128 | 2.9 | 1.5 |
//! | `Q8_0` | 2.1 | 1.1 |
//! | `Q4_0` | 3.9 | 1.0 |
//! | `Q4_K` | 41 | 1.1 |
//! | `Q6_K` | | 1.3 |
//!
//! `cargo bench -p compress-benches --bench quantize` measures it. Of groups, what is above the
//! floor is the scale of each, a division in f64 that the linear schemes define; of `Q4_K`, the
//! search.
//!
//! Tried, and not kept:
//! - a product with the reciprocal of the scale: no faster, since the division is hidden behind
//!   the memory, and not the codes that ONNX defines;
//! - casts of floats to integers with `as`: they saturate, which the compiler does one value at
//!   a time, 3 times slower for `Q4_0`; adding 1.5·2²³ gives the integer in the low bits;
//! - loops over the 16 bytes of a `Q4_0` block: unrolled byte by byte, 8 times slower than the
//!   memory; loops of 32 become vectors.

pub mod blocks;
mod codes;
mod part;
mod reference;
mod steps;
#[cfg(test)]
mod tests;

pub use codes::{CodeBuffer, CodeType, Codes, CodesMut};
pub use steps::{Steps, scale_and_zero, scale_of, zero_of};

use crate::codec::Granularity;
use crate::isa::Isa;
use crate::kernels::reduce;
use crate::{Error, Result};
use part::row_codes;
use part::{Decoding, Encoding, LEAF, Parameters, Part, SEGMENT, each};

/// Magnitudes whose bits are not below these are not finite; those above them are NaN.
const INFINITE: u32 = 0x7f80_0000;

/// A tensor's name, its shape, and which of its values share a scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sets {
    name: String,
    rows: usize,
    columns: usize,
    granularity: Granularity,
    count: usize,
}

impl Sets {
    /// The sets of a tensor of `shape`: `[out, in]`, or with more dimensions, of which all but
    /// the first make a row, or `[n]`, which is one row. Errors call it `name`.
    ///
    /// # Errors
    /// Where the volume overflows or a group's size is 0.
    pub fn new(name: &str, shape: &[usize], granularity: Granularity) -> Result<Self> {
        let volume = shape
            .iter()
            .try_fold(1usize, |volume, &side| volume.checked_mul(side.max(1)));
        if volume.is_none_or(|v| v > isize::MAX as usize) {
            let found = format!("{shape:?}");
            return Err(Error::invalid(
                format!("shape of {name}"),
                found,
                "of a volume below 2^63",
            ));
        }
        if granularity == Granularity::Group(0) {
            return Err(Error::invalid(
                format!("group size of {name}"),
                0,
                "positive",
            ));
        }
        let (rows, columns) = match shape {
            [] => (1, 1),
            [n] => (1, *n),
            [rows, rest @ ..] => (*rows, rest.iter().product()),
        };
        Ok(Sets {
            name: name.to_owned(),
            rows,
            columns,
            granularity,
            count: granularity.sets(shape),
        })
    }

    /// How many values there are.
    pub fn values(&self) -> usize {
        self.rows * self.columns
    }

    /// How many scales there are, and zero points where codes are affine.
    pub fn scales(&self) -> usize {
        self.count
    }

    /// Elements of an array of codes: one a value, or where they are packed half of a row's,
    /// rounded up, for each row.
    pub fn codes(&self, code_type: CodeType) -> usize {
        self.rows * row_codes(self.columns, code_type.is_packed())
    }

    fn zeros(&self, symmetric: bool) -> usize {
        if symmetric { 0 } else { self.count }
    }

    /// All of it, if the lengths fit.
    fn part(&self, values: usize, codes: usize, packed: bool) -> Result<Part> {
        Error::check_shape(&self.name, &[self.values()], &[values])?;
        let expected = self.rows * row_codes(self.columns, packed);
        Error::check_shape(&self.what("codes"), &[expected], &[codes])?;
        Ok(Part::new(self.rows, self.columns, self.granularity, packed))
    }

    fn check_parameters(&self, scales: usize, zeros: usize, symmetric: bool) -> Result<()> {
        Error::check_shape(&self.what("scales"), &[self.count], &[scales])?;
        Error::check_shape(
            &self.what("zero points"),
            &[self.zeros(symmetric)],
            &[zeros],
        )
    }

    fn check_zeros(&self, zeros: &[i32], (low, high): (i32, i32)) -> Result<()> {
        match zeros.iter().find(|z| !(low..=high).contains(*z)) {
            None => Ok(()),
            Some(z) => Err(Error::invalid(
                self.what("zero point"),
                z,
                format!("{low} to {high}"),
            )),
        }
    }

    fn what(&self, field: &str) -> String {
        format!("{field} of {}", self.name)
    }
}

/// Codes, and what they stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// As [`Sets::codes`] says.
    pub codes: CodeBuffer,
    /// One for each set.
    pub scales: Vec<f32>,
    /// One for each set where codes are affine, else empty.
    pub zero_points: Vec<i32>,
}

/// Finds the scales (and zero points) that span each set's values, and writes the codes.
///
/// # Errors
/// Where lengths disagree with `sets`, or a value is NaN or infinite (the error gives its
/// position; codes and scales are then of no use).
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
    let range = check_range(&codes)?;
    let part = sets.part(values.len(), codes.len(), codes.is_packed())?;
    sets.check_parameters(scales.len(), zero_points.len(), range.0 < 0)?;
    if values.is_empty() {
        scales.fill(1.0);
        zero_points.fill(0);
        return Ok(());
    }
    // A set that does not stay in the cache is read twice.
    if part.set == 0 || part.set > LEAF {
        let whole = if part.set == 0 {
            part.columns * part.rows
        } else {
            part.set
        };
        fit_long(
            &sets.name,
            values,
            (part.columns, whole),
            range,
            scales,
            zero_points,
        )?;
        let parameters = Parameters::Given(scales, zero_points);
        encode(
            isa,
            part,
            Encoding {
                values,
                parameters,
                codes,
            },
        );
        return Ok(());
    }
    let parameters = Parameters::Fit(scales, zero_points);
    let largest = encode(
        isa,
        part,
        Encoding {
            values,
            parameters,
            codes,
        },
    );
    if largest >= INFINITE {
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
/// Where lengths disagree with `sets`, a scale is not positive and finite, a zero point is not a
/// code, or a value is NaN (the error gives its position).
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
    let range = check_range(&codes)?;
    let part = sets.part(values.len(), codes.len(), codes.is_packed())?;
    sets.check_parameters(scales.len(), zero_points.len(), range.0 < 0)?;
    if let Some(s) = scales.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
        return Err(Error::invalid(sets.what("scale"), s, "positive and finite"));
    }
    sets.check_zeros(zero_points, range)?;
    let parameters = Parameters::Given(scales, zero_points);
    let largest = encode(
        isa,
        part,
        Encoding {
            values,
            parameters,
            codes,
        },
    );
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
pub fn encode_to(
    sets: &Sets,
    values: &[f32],
    scales: &[f32],
    zero_points: &[i32],
    code_type: CodeType,
) -> Result<CodeBuffer> {
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
    if !values.is_empty() {
        let parameters = Parameters::Given(scales, zero_points);
        each(
            part,
            Decoding {
                codes,
                parameters,
                values,
            },
            &|part, d| decode_leaf(isa, part, d),
        );
    }
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
    let mut values = vec![0.0; sets.values()];
    dequantize_into(sets, codes, scales, zero_points, &mut values)?;
    Ok(values)
}

/// The range of the codes, if it can be used: at most 16 bits, with zero in it.
fn check_range(codes: &CodesMut<'_>) -> Result<(i32, i32)> {
    let (low, high) = codes.range();
    let symmetric = low < 0 && low == -high;
    if (symmetric || low == 0) && (1..1 << 16).contains(&high) {
        return Ok((low, high));
    }
    let found = format!("{low} to {high}");
    Err(Error::invalid(
        "range of codes",
        found,
        "0 to n or −n to n, with n from 1 to 65535",
    ))
}

/// Scales of sets that are read by themselves, each with all threads. A row has `columns`
/// values, a set `set`.
fn fit_long(
    name: &str,
    values: &[f32],
    (columns, set): (usize, usize),
    (low, high): (i32, i32),
    scales: &mut [f32],
    zeros: &mut [i32],
) -> Result<()> {
    let rows = values.chunks(columns.max(set));
    let in_place = |e: Error| Error::check_finite(name, values).err().unwrap_or(e);
    for (i, (values, scale)) in rows.flat_map(|row| row.chunks(set)).zip(scales).enumerate() {
        if low < 0 {
            let bound = reduce::absmax(name, values).map_err(in_place)?;
            *scale = scale_of(bound.into(), high);
        } else {
            let (least, most) = reduce::min_max(name, values).map_err(in_place)?;
            (*scale, zeros[i]) = scale_and_zero(least, most, high);
        }
    }
    Ok(())
}

fn encode(isa: Isa, part: Part, encoding: Encoding<'_>) -> u32 {
    if encoding.values.is_empty() {
        return 0;
    }
    each(part, encoding, &|part, e| encode_leaf(isa, part, e))
}

/// Quantizes one leaf, row by row and in each row by segments. Returns the largest magnitude's
/// bits.
fn encode_leaf(isa: Isa, part: Part, encoding: Encoding<'_>) -> u32 {
    let Encoding {
        values,
        mut parameters,
        mut codes,
    } = encoding;
    let step = part.step(SEGMENT).min(part.columns);
    let mut scratch = vec![0u8; if part.packed { step } else { 0 }];
    let mut largest = 0;
    for values in values.chunks(part.columns).flat_map(|row| row.chunks(step)) {
        // Rows and segments follow each other in all the arrays.
        let segment = Part {
            columns: values.len(),
            rows: 1,
            ..part
        };
        let (p, rest) = parameters.split(segment.row_sets());
        parameters = rest;
        let (c, rest) = codes.split_at(segment.row_codes());
        codes = rest;
        largest = largest.max(encode_segment(isa, segment, values, p, c, &mut scratch));
    }
    largest
}

fn encode_segment(
    isa: Isa,
    part: Part,
    x: &[f32],
    parameters: Parameters<'_>,
    codes: CodesMut<'_>,
    scratch: &mut [u8],
) -> u32 {
    let range = codes.range();
    let set = if part.set == 0 {
        part.columns
    } else {
        part.set
    };
    let (scales, zeros): (&[f32], &[i32]) = match parameters {
        Parameters::Given(scales, zeros) => (scales, zeros),
        Parameters::Fit(scales, zeros) => {
            let largest = if range.0 < 0 {
                reference::symmetric_at(isa, x, set, range.1, scales)
            } else {
                reference::affine_at(isa, x, set, range.1, scales, zeros)
            };
            if largest >= INFINITE {
                return largest;
            }
            (scales, zeros)
        }
    };
    match codes {
        CodesMut::I8(c) => reference::encode_i8_at(isa, x, set, scales, zeros, range, c),
        CodesMut::U8(c) => reference::encode_u8_at(isa, x, set, scales, zeros, range, c),
        CodesMut::I32(c, _) => reference::encode_i32_at(isa, x, set, scales, zeros, range, c),
        CodesMut::I4(packed) | CodesMut::U4(packed) => {
            let c = &mut scratch[..x.len()];
            let largest = reference::encode_u8_at(isa, x, set, scales, zeros, range, c);
            reference::pack_at(isa, c, packed);
            largest
        }
    }
}

/// Dequantizes one leaf.
fn decode_leaf(isa: Isa, part: Part, decoding: Decoding<'_>) -> u32 {
    let Decoding {
        mut codes,
        mut parameters,
        values,
    } = decoding;
    let step = part.step(SEGMENT).min(part.columns);
    let mut scratch = vec![0u8; if part.packed { step } else { 0 }];
    for values in values
        .chunks_mut(part.columns)
        .flat_map(|row| row.chunks_mut(step))
    {
        let segment = Part {
            columns: values.len(),
            rows: 1,
            ..part
        };
        let (p, rest) = parameters.split(segment.row_sets());
        parameters = rest;
        let (c, rest) = codes.split_at(segment.row_codes());
        codes = rest;
        decode_segment(isa, segment, c, p, values, &mut scratch);
    }
    0
}

fn decode_segment(
    isa: Isa,
    part: Part,
    codes: Codes<'_>,
    parameters: Parameters<'_>,
    x: &mut [f32],
    scratch: &mut [u8],
) {
    let set = if part.set == 0 {
        part.columns
    } else {
        part.set
    };
    let (scales, zeros): (&[f32], &[i32]) = match parameters {
        Parameters::Given(scales, zeros) => (scales, zeros),
        Parameters::Fit(scales, zeros) => (scales, zeros),
    };
    // A half byte in two's complement with its highest bit flipped is that number plus 8.
    let zero = if let Codes::I4(_) = codes { 8 } else { 0 };
    match codes {
        Codes::I8(c) => reference::decode_i8_at(isa, c, set, scales, zeros, 0, x),
        Codes::U8(c) => reference::decode_u8_at(isa, c, set, scales, zeros, 0, x),
        Codes::I4(packed) | Codes::U4(packed) => {
            let c = &mut scratch[..x.len()];
            reference::unpack_at(isa, packed, zero as u8, c);
            reference::decode_u8_at(isa, c, set, scales, zeros, zero, x);
        }
    }
}
