//! The grid of a quantized tensor as bytes.

use crate::coding::bits::BitWriter;
use crate::coding::reader::Reader;
use crate::coding::varint;
use compress_core::Result;
use compress_core::codec::{Granularity, Grid};

use super::floats;

/// What kind of tensor or grid follows: the lowest two bits of a tensor's first byte.
pub(super) const FLOAT: u8 = 0;
pub(super) const LINEAR: u8 = 1;
pub(super) const CODEBOOK: u8 = 2;
pub(super) const POWER_OF_TWO: u8 = 3;

/// The kind, and four more bits for the tensor's first byte.
pub(super) fn kind(grid: &Grid) -> (u8, u8) {
    match grid {
        Grid::Linear { bits, .. } => (LINEAR, bits - 1),
        Grid::Codebook { .. } => (CODEBOOK, 0),
        Grid::PowerOfTwo { bits, .. } => (POWER_OF_TWO, bits - 1),
    }
}

/// Appends the parts of the grid that the first byte does not hold.
pub(super) fn write(bytes: &mut Vec<u8>, grid: &Grid) {
    match grid {
        Grid::Linear {
            bits,
            granularity,
            scales,
            zero_points,
        } => {
            let (how, scales) = floats::write_list(scales);
            let affine = u8::from(!zero_points.is_empty());
            let (number, group) = match granularity {
                Granularity::Tensor => (0, None),
                Granularity::Channel => (1, None),
                Granularity::Group(size) => (2, Some(*size)),
            };
            bytes.push(number | affine << 2 | how << 3);
            if let Some(size) = group {
                varint::write(bytes, size.into());
            }
            bytes.extend(scales);
            let mut packed = BitWriter::default();
            for &zero_point in zero_points {
                packed.push(zero_point as u32, (*bits).into());
            }
            bytes.extend(packed.finish());
        }
        Grid::Codebook { values } => {
            varint::write(bytes, values.len() as u64);
            let (how, values) = floats::write_list(values);
            bytes.push(how);
            bytes.extend(values);
        }
        Grid::PowerOfTwo { max_exponent, .. } => bytes.push(*max_exponent as u8),
    }
}

/// Reads the grid of a tensor of `shape`, given its kind and the four bits. Its fields may still
/// be out of range: [`Grid::validate`] says.
pub(super) fn read(reader: &mut Reader<'_>, kind: u8, four: u8, shape: &[usize]) -> Result<Grid> {
    match kind {
        LINEAR => read_linear(reader, four + 1, shape),
        CODEBOOK => {
            let count = reader.varint(1 << 16, "the size of a codebook")?;
            let how = reader.varint(31, "the coding of a codebook")? as u8;
            let values = floats::read_list(reader, how, count)?;
            Ok(Grid::Codebook { values })
        }
        _ => Ok(Grid::PowerOfTwo {
            bits: four + 1,
            max_exponent: reader.byte("the largest exponent")? as i8,
        }),
    }
}

fn read_linear(reader: &mut Reader<'_>, bits: u8, shape: &[usize]) -> Result<Grid> {
    let flags = reader.byte("the flags of a grid")?;
    let granularity = match flags & 3 {
        0 => Granularity::Tensor,
        1 => Granularity::Channel,
        2 => Granularity::Group(reader.varint(u32::MAX as usize, "the size of a group")? as u32),
        _ => return Err(reader.error("an unknown granularity")),
    };
    let sets = granularity.sets(shape);
    let scales = floats::read_list(reader, flags >> 3, sets)?;
    let mut zero_points = Vec::new();
    if flags & 4 != 0 {
        zero_points = reader.packed(sets, bits.into(), "zero points", |bits| bits as i32)?;
    }
    Ok(Grid::Linear {
        bits,
        granularity,
        scales,
        zero_points,
    })
}
