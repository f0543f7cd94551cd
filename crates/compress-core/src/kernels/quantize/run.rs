//! Segments of a tensor, each with its scales and its codes.

use super::codes::{Codes, CodesMut};
use super::part::{Decoding, Encoding, Parameters, Part, each};
use super::reference;
use super::steps::{scale_and_zero, scale_of};
use crate::isa::Isa;
use crate::kernels::reduce::{self, INFINITE};
use crate::{Error, Result};

/// Scales of sets that are read by themselves, each with all threads. `values` are those of all of
/// `part`.
pub(super) fn fit_long(
    name: &str,
    part: Part,
    values: &[f32],
    (low, high): (i32, i32),
    scales: &mut [f32],
    zeros: &mut [i32],
) -> Result<()> {
    let set = part.set_len();
    let rows = values.chunks(part.columns.max(set));
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

/// Writes all codes. Returns the largest magnitude's bits; where they are not finite and the
/// scales were to be found, neither is of use.
pub(super) fn encode(isa: Isa, part: Part, encoding: Encoding<'_>) -> u32 {
    each(part, encoding, &|part, arrays, unpacked: &mut [u8]| {
        encode_segment(isa, part, arrays, unpacked)
    })
}

fn encode_segment(isa: Isa, part: Part, arrays: Encoding<'_>, unpacked: &mut [u8]) -> u32 {
    let x = arrays.values;
    let range = arrays.codes.range();
    let set = part.set_len();
    let (scales, zeros): (&[f32], &[i32]) = match arrays.parameters {
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
    match arrays.codes {
        CodesMut::I8(c) | CodesMut::I8Within(c, _) => {
            reference::encode_i8_at(isa, x, set, scales, zeros, range, c)
        }
        CodesMut::U8(c) | CodesMut::U8Within(c, _) => {
            reference::encode_u8_at(isa, x, set, scales, zeros, range, c)
        }
        CodesMut::I16Within(c, _) => reference::encode_i16_at(isa, x, set, scales, zeros, range, c),
        CodesMut::U16Within(c, _) => reference::encode_u16_at(isa, x, set, scales, zeros, range, c),
        CodesMut::I4(packed) | CodesMut::U4(packed) => {
            let c = &mut unpacked[..x.len()];
            let largest = reference::encode_u8_at(isa, x, set, scales, zeros, range, c);
            reference::pack_at(isa, c, packed);
            largest
        }
    }
}

/// Writes all values.
pub(super) fn decode(isa: Isa, part: Part, decoding: Decoding<'_>) {
    each(part, decoding, &|part, arrays, unpacked: &mut [u8]| {
        decode_segment(isa, part, arrays, unpacked);
        0
    });
}

fn decode_segment(isa: Isa, part: Part, arrays: Decoding<'_>, unpacked: &mut [u8]) {
    let x = arrays.values;
    let set = part.set_len();
    let (scales, zeros): (&[f32], &[i32]) = match arrays.parameters {
        Parameters::Given(scales, zeros) => (scales, zeros),
        Parameters::Fit(scales, zeros) => (scales, zeros),
    };
    // A half byte in two's complement with its highest bit flipped is that number plus 8.
    let zero = if let Codes::I4(_) = arrays.codes {
        8
    } else {
        0
    };
    match arrays.codes {
        Codes::I8(c) => reference::decode_i8_at(isa, c, set, scales, zeros, 0, x),
        Codes::U8(c) => reference::decode_u8_at(isa, c, set, scales, zeros, 0, x),
        Codes::I4(packed) | Codes::U4(packed) => {
            let c = &mut unpacked[..x.len()];
            reference::unpack_at(isa, packed, zero as u8, c);
            reference::decode_u8_at(isa, c, set, scales, zeros, zero, x);
        }
    }
}
