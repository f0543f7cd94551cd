//! The grid of a quantized tensor as bytes.

use crate::coding::bits::BitWriter;
use crate::coding::reader::Reader;
use crate::coding::varint;
use compress_core::Result;
use compress_core::codec::{Granularity, Grid, largest_codebook};

use super::floats;

/// The numbers of grids among the kinds of tensors.
pub(crate) const LINEAR: u8 = 1;
pub(crate) const CODEBOOK: u8 = 2;
pub(crate) const POWER_OF_TWO: u8 = 3;
pub(crate) const SCALED_CODEBOOK: u8 = 4;

/// The kind, and the bits of a code where [`write`] leaves them out.
pub(crate) fn kind(grid: &Grid) -> (u8, Option<u8>) {
    match grid {
        Grid::Linear { bits, .. } => (LINEAR, Some(*bits)),
        Grid::Codebook { .. } => (CODEBOOK, None),
        Grid::ScaledCodebook { .. } => (SCALED_CODEBOOK, None),
        Grid::PowerOfTwo { bits, .. } => (POWER_OF_TWO, Some(*bits)),
    }
}

/// Appends the grid, but for its kind and the bits of a code.
pub(crate) fn write(bytes: &mut Vec<u8>, grid: &Grid) {
    match grid {
        Grid::Linear {
            bits,
            granularity,
            scales,
            zero_points,
        } => {
            write_scales(bytes, *granularity, !zero_points.is_empty(), scales);
            let mut packed = BitWriter::default();
            for &zero_point in zero_points {
                packed.push(zero_point as u32, (*bits).into());
            }
            bytes.extend(packed.finish());
        }
        Grid::Codebook { values } => write_codebook(bytes, values),
        Grid::ScaledCodebook {
            values,
            granularity,
            scales,
        } => {
            write_codebook(bytes, values);
            write_scales(bytes, *granularity, false, scales);
        }
        Grid::PowerOfTwo { max_exponent, .. } => bytes.push(*max_exponent as u8),
    }
}

fn write_codebook(bytes: &mut Vec<u8>, values: &[f32]) {
    varint::write(bytes, values.len() as u64);
    let (how, values) = floats::write_list(values);
    bytes.push(how);
    bytes.extend(values);
}

/// Writes which values share a scale, whether zero points follow, and the scales.
fn write_scales(bytes: &mut Vec<u8>, granularity: Granularity, affine: bool, scales: &[f32]) {
    let (how, scales) = floats::write_list(scales);
    let (number, group) = match granularity {
        Granularity::Tensor => (0, None),
        Granularity::Channel => (1, None),
        Granularity::Group(size) => (2, Some(size)),
    };
    bytes.push(number | u8::from(affine) << 2 | how << 3);
    if let Some(size) = group {
        varint::write(bytes, size.into());
    }
    bytes.extend(scales);
}

/// Reads the grid of a tensor of `shape`, given its kind and the bits of a code. Its fields may still
/// be out of range: [`Grid::validate`] says.
pub(crate) fn read(reader: &mut Reader<'_>, kind: u8, bits: u8, shape: &[usize]) -> Result<Grid> {
    match kind {
        LINEAR => {
            let (granularity, affine, scales) = read_scales(reader, shape)?;
            let mut zero_points = Vec::new();
            if affine {
                let width = u32::from(bits).min(16);
                let number = |bits| bits as i32;
                zero_points = reader.packed(scales.len(), width, "zero points", number)?;
            }
            Ok(Grid::Linear {
                bits,
                granularity,
                scales,
                zero_points,
            })
        }
        CODEBOOK => Ok(Grid::Codebook {
            values: read_codebook(reader, shape)?,
        }),
        POWER_OF_TWO => Ok(Grid::PowerOfTwo {
            bits,
            max_exponent: reader.byte("the largest exponent")? as i8,
        }),
        SCALED_CODEBOOK => {
            let values = read_codebook(reader, shape)?;
            let start = reader.clone();
            let (granularity, affine, scales) = read_scales(reader, shape)?;
            match affine {
                true => Err(start.error("a codebook with zero points")),
                false => Ok(Grid::ScaledCodebook {
                    values,
                    granularity,
                    scales,
                }),
            }
        }
        _ => Err(reader.error(format!("a tensor of the unknown kind {kind}"))),
    }
}

fn read_codebook(reader: &mut Reader<'_>, shape: &[usize]) -> Result<Vec<f32>> {
    let count = reader.varint(largest_codebook(shape), "the size of a codebook")?;
    let how = reader.varint(31, "the coding of a codebook")? as u8;
    floats::read_list(reader, how, count)
}

fn read_scales(reader: &mut Reader<'_>, shape: &[usize]) -> Result<(Granularity, bool, Vec<f32>)> {
    let flags = reader.byte("the flags of a grid")?;
    let granularity = match flags & 3 {
        0 => Granularity::Tensor,
        1 => Granularity::Channel,
        2 => Granularity::Group(reader.varint(u32::MAX as usize, "the size of a group")? as u32),
        _ => return Err(reader.error("an unknown granularity")),
    };
    let scales = floats::read_list(reader, flags >> 3, granularity.sets(shape))?;
    Ok((granularity, flags & 4 != 0, scales))
}
