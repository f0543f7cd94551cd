//! Lists of f32 as bytes: tensors of full precision, scales and codebooks.
//!
//! Every coding keeps each bit. Where all values end in zero bits (bfloat16 values, powers of
//! two) those are left out, once the number of them is written.

use crate::coding::bits::BitWriter;
use crate::coding::gaps;
use crate::coding::matrix::code_sparse;
use crate::coding::matrix::geometry::Geometry;
use crate::coding::predictor::{Counter, code_plain};
use crate::coding::range_coder::{BitCoder, Decoder, Encoder};
use crate::coding::reader::Reader;
use compress_core::Result;

use super::stream;

/// How many low bits are zero in all of `values`; 32 where all are positive zero.
pub(crate) fn common_zeros(values: &[f32]) -> u32 {
    values
        .iter()
        .fold(0, |all, v| all | v.to_bits())
        .trailing_zeros()
}

/// Each value in 32 − `zeros` bits.
pub(crate) fn pack(values: &[f32], zeros: u32) -> Vec<u8> {
    let mut bits = BitWriter::default();
    for value in values {
        bits.push(shift_down(value.to_bits(), zeros), 32 - zeros);
    }
    bits.finish()
}

/// Reads `count` values that [`pack`] wrote.
pub(crate) fn unpack(reader: &mut Reader<'_>, count: usize, zeros: u32) -> Result<Vec<f32>> {
    reader.packed(count, 32 - zeros, "packed values", |bits| {
        f32::from_bits(shift_up(bits, zeros))
    })
}

/// Where the non-zeros are, and their values.
pub(crate) fn write_sparse(values: &[f32], zeros: u32) -> Vec<u8> {
    let positions = nonzero_positions(values.iter().map(|v| v.to_bits() != 0));
    let mut bytes = Vec::new();
    let mut bits = gaps::write_all(&mut bytes, &positions);
    for &position in &positions {
        let value = values[position as usize].to_bits();
        bits.push(shift_down(value, zeros), 32 - zeros);
    }
    bytes.extend(bits.finish());
    bytes
}

/// Reads what [`write_sparse`] wrote.
pub(crate) fn read_sparse(reader: &mut Reader<'_>, count: usize, zeros: u32) -> Result<Vec<f32>> {
    let mut values = vec![0.0; count];
    read_positions(reader, count, |bits, position| {
        let value = shift_up(bits.take(32 - zeros)?, zeros);
        values[position as usize] = f32::from_bits(value);
        Ok(())
    })?;
    Ok(values)
}

/// Writes positions of non-zeros by prediction, exponents by an adaptive model, and mantissas
/// plainly.
pub(crate) fn write_entropy(values: &[f32], zeros: u32, geometry: &Geometry) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let mut bits: Vec<u32> = values.iter().map(|v| v.to_bits()).collect();
    code(&mut encoder, &mut bits, zeros, geometry);
    encoder.finish()
}

/// Reads what [`write_entropy`] wrote.
pub(crate) fn read_entropy(
    bytes: &[u8],
    count: usize,
    zeros: u32,
    geometry: &Geometry,
) -> Vec<f32> {
    let mut bits = vec![0; count];
    code(&mut Decoder::new(bytes), &mut bits, zeros, geometry);
    bits.into_iter().map(f32::from_bits).collect()
}

/// In place of the number of common zero bits: the list is entropy coded.
const ENTROPY: u8 = 31;

/// A list whose length the reader knows, such as scales: how it is coded, in five bits, and its
/// bytes.
pub(crate) fn write_list(values: &[f32]) -> (u8, Vec<u8>) {
    let zeros = common_zeros(values).min(u32::from(ENTROPY) - 1);
    let packed = pack(values, zeros);
    let mut coded = vec![zeros as u8];
    let geometry = Geometry::line(values.len());
    stream::write(&mut coded, &write_entropy(values, zeros, &geometry), false);
    if coded.len() < packed.len() {
        (ENTROPY, coded)
    } else {
        (zeros as u8, packed)
    }
}

/// Reads the list of `count` values that [`write_list`] wrote, given how it is coded.
pub(crate) fn read_list(reader: &mut Reader<'_>, how: u8, count: usize) -> Result<Vec<f32>> {
    if how != ENTROPY {
        return unpack(reader, count, u32::from(how));
    }
    let zeros = read_zeros(reader)?;
    let (bytes, _) = stream::read(reader)?;
    Ok(read_entropy(bytes, count, zeros, &Geometry::line(count)))
}

/// Reads a number of common zero bits.
pub(crate) fn read_zeros(reader: &mut Reader<'_>) -> Result<u32> {
    Ok(reader.varint(32, "the number of common zero bits")? as u32)
}

/// The positions where `set` is true.
pub(crate) fn nonzero_positions(set: impl Iterator<Item = bool>) -> Vec<u32> {
    set.enumerate()
        .filter_map(|(i, set)| set.then_some(i as u32))
        .collect()
}

/// Reads positions below `count`, then calls `read` for the value at each, in order.
pub(crate) fn read_positions<'a>(
    reader: &mut Reader<'a>,
    count: usize,
    mut read: impl FnMut(&mut crate::coding::bits::BitReader<'a>, u32) -> Result<()>,
) -> Result<()> {
    let set = reader.varint(count, "the number of non-zeros")?;
    let parameter = reader.varint(31, "the parameter of the gaps")? as u32;
    reader.bits(|bits| {
        for position in gaps::read(bits, set, count as u32, parameter)? {
            read(bits, position)?;
        }
        Ok(())
    })
}

fn code(coder: &mut impl BitCoder, values: &mut [u32], zeros: u32, geometry: &Geometry) {
    // The sign and the exponent are coded by a tree of nine bits.
    let mut tree = vec![Counter::default(); 1 << 9];
    code_sparse(coder, geometry, values, |coder, value| {
        let top = (0..9).rev().fold(1, |node: u32, i| {
            let bit = (value >> (23 + i)) & 1 == 1;
            (node << 1) | u32::from(code_plain(coder, bit, &mut tree[node as usize]))
        });
        let zeros = zeros.min(23);
        let mantissa = coder.code_bits((value & 0x7f_ffff) >> zeros, 23 - zeros);
        (top << 23) | (mantissa << zeros)
    });
}

/// A shift by 32 gives zero.
fn shift_down(value: u32, by: u32) -> u32 {
    value.checked_shr(by).unwrap_or(0)
}

fn shift_up(value: u32, by: u32) -> u32 {
    value.checked_shl(by).unwrap_or(0)
}
