//! Pieces of a tensor, one after the other: the scales of a segment, then its codes.

use super::part::{Decoding, Encoding, Parameters, Part, SEGMENT, each};
use super::{Codes, CodesMut, INFINITE, reference, scale_and_zero, scale_of};
use crate::isa::Isa;
use crate::kernels::reduce;
use crate::{Error, Result};

/// Scales of sets that are read by themselves, each with all threads. A row has `columns`
/// values, a set `set`.
pub(super) fn fit_long(
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

pub(super) fn encode(isa: Isa, part: Part, encoding: Encoding<'_>) -> u32 {
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
pub(super) fn decode_leaf(isa: Isa, part: Part, decoding: Decoding<'_>) -> u32 {
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
