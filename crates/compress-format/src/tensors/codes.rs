//! The codes of a quantized tensor as bytes.
//!
//! The sparse and the entropy coding leave out the code that stands for zero. It is 0, the zero
//! point, or the most frequent code of a codebook. The sparse coding stores the other codes as the
//! packed one does. The entropy coding stores how far each lies from the code that is left out.

use crate::coding::bits::BitWriter;
use crate::coding::matrix::code_integers;
use crate::coding::matrix::geometry::Geometry;
use crate::coding::range_coder::{Decoder, Encoder};
use crate::coding::reader::Reader;
use crate::coding::{gaps, varint};
use compress_core::Result;
use compress_core::codec::{Codes, Grid};

use super::floats::{nonzero_positions, read_positions};
use super::stream::Arrangements;

/// The most values of a tensor that is sparse or coded.
pub(crate) const MOST: usize = 1 << 28;

/// The code that stands for zero at each position.
pub(crate) enum Zeros {
    /// The same everywhere.
    Same(i32),
    /// One for each position.
    Each(Vec<i32>),
}

impl Zeros {
    /// The zero codes of a tensor of `shape`, where its grid alone determines them: not for a
    /// codebook.
    fn of_grid(grid: &Grid, shape: &[usize]) -> Option<Self> {
        match grid {
            Grid::Codebook { .. } | Grid::ScaledCodebook { .. } => None,
            Grid::PowerOfTwo { .. } => Some(Zeros::Same(0)),
            Grid::Linear {
                granularity,
                zero_points,
                ..
            } => Some(match zero_points.as_slice() {
                [] => Zeros::Same(0),
                [first, rest @ ..] if rest.iter().all(|z| z == first) => Zeros::Same(*first),
                _ => {
                    let mut each = Vec::with_capacity(shape.iter().product());
                    for (set, range) in granularity.ranges(shape).enumerate() {
                        each.extend(range.map(|_| zero_points[set]));
                    }
                    Zeros::Each(each)
                }
            }),
        }
    }

    /// The zero codes of `codes`. For a codebook, appends the number of the most frequent code to
    /// `bytes`.
    pub(crate) fn write(bytes: &mut Vec<u8>, grid: &Grid, shape: &[usize], codes: &Codes) -> Self {
        Self::of_grid(grid, shape).unwrap_or_else(|| {
            let mut counts = vec![0_usize; grid.code_range().1 as usize + 1];
            codes.iter().for_each(|code| counts[code as usize] += 1);
            let most = (0..counts.len()).rev().max_by_key(|&i| counts[i]);
            let zero = most.unwrap_or(0);
            varint::write(bytes, zero as u64);
            Zeros::Same(zero as i32)
        })
    }

    /// Reads what [`Zeros::write`] wrote.
    pub(crate) fn read(reader: &mut Reader<'_>, grid: &Grid, shape: &[usize]) -> Result<Self> {
        match Self::of_grid(grid, shape) {
            Some(zeros) => Ok(zeros),
            None => {
                let most = grid.code_range().1 as usize;
                let zero = reader.varint(most, "the most frequent code")?;
                Ok(Zeros::Same(zero as i32))
            }
        }
    }

    fn at(&self, position: usize) -> i32 {
        match self {
            Zeros::Same(zero) => *zero,
            Zeros::Each(zeros) => zeros[position],
        }
    }
}

/// Writes one byte for each code, or two where a byte is too narrow.
pub(crate) fn write_dense(grid: &Grid, codes: &Codes) -> Vec<u8> {
    let (low, width) = (grid.code_range().0, dense_width(grid));
    codes
        .iter()
        .flat_map(|code| ((code - low) as u16).to_le_bytes().into_iter().take(width))
        .collect()
}

/// Reads what [`write_dense`] wrote.
pub(crate) fn read_dense(reader: &mut Reader<'_>, grid: &Grid, count: usize) -> Result<Codes> {
    let (low, width) = (grid.code_range().0, dense_width(grid));
    let bytes = reader.take(count.saturating_mul(width), "dense codes")?;
    let codes = bytes.chunks_exact(width).map(|code| {
        let high = code.get(1).copied().unwrap_or(0);
        low + i32::from(u16::from_le_bytes([code[0], high]))
    });
    Codes::new(grid.code_range(), codes)
}

/// Writes each code in the width of the grid's codes.
pub(crate) fn write_packed(grid: &Grid, codes: &Codes) -> Vec<u8> {
    let (low, width) = (grid.code_range().0, grid.bits());
    let mut bits = BitWriter::default();
    for code in codes {
        bits.push((code - low) as u32, width);
    }
    bits.finish()
}

/// Reads what [`write_packed`] wrote.
pub(crate) fn read_packed(reader: &mut Reader<'_>, grid: &Grid, count: usize) -> Result<Codes> {
    let (low, width) = (grid.code_range().0, grid.bits());
    reader.bits(|bits| {
        bits.check(count, width, "packed codes")?;
        let codes = (0..count).map(|_| low + bits.take(width).unwrap_or(0) as i32);
        Codes::new(grid.code_range(), codes)
    })
}

/// Writes the positions of the codes that do not stand for zero, and those codes in the grid's
/// width.
pub(crate) fn write_sparse(grid: &Grid, zeros: &Zeros, codes: &Codes) -> Vec<u8> {
    let (low, width) = (grid.code_range().0, grid.bits());
    let set = codes
        .iter()
        .enumerate()
        .map(|(i, code)| code != zeros.at(i));
    let positions = nonzero_positions(set);
    let mut bytes = Vec::new();
    let mut bits = gaps::write_all(&mut bytes, &positions);
    for &position in &positions {
        let code = codes.get(position as usize).unwrap_or(low);
        bits.push((code - low) as u32, width);
    }
    bytes.extend(bits.finish());
    bytes
}

/// Reads what [`write_sparse`] wrote.
pub(crate) fn read_sparse(
    reader: &mut Reader<'_>,
    grid: &Grid,
    zeros: &Zeros,
    count: usize,
) -> Result<Codes> {
    let (low, width) = (grid.code_range().0, grid.bits());
    let mut codes = Codes::new(grid.code_range(), (0..count).map(|i| zeros.at(i)))?;
    read_positions(reader, count, |bits, position| {
        codes.set(position as usize, low + bits.take(width)? as i32)
    })?;
    Ok(codes)
}

/// Appends the codes through the adaptive model and the range coder.
pub(crate) fn write_entropy(
    bytes: &mut Vec<u8>,
    grid: &Grid,
    zeros: &Zeros,
    codes: &Codes,
    arrangements: &Arrangements,
) {
    let differences: Vec<i32> = (0..).zip(codes).map(|(i, c)| c - zeros.at(i)).collect();
    arrangements.write(bytes, |geometry| {
        let mut encoder = Encoder::default();
        let range = ranges(grid, zeros);
        code_integers(&mut encoder, geometry, &mut differences.clone(), range);
        encoder.finish()
    });
}

/// Reads what [`write_entropy`] wrote.
pub(crate) fn read_entropy(
    reader: &mut Reader<'_>,
    grid: &Grid,
    zeros: &Zeros,
    count: usize,
    arrangements: &Arrangements,
) -> Result<Codes> {
    let (coded, geometry): (_, &Geometry) = arrangements.read(reader)?;
    let mut differences = vec![0; count];
    let range = ranges(grid, zeros);
    code_integers(&mut Decoder::new(coded), geometry, &mut differences, range);
    let codes = differences.iter().enumerate().map(|(i, d)| d + zeros.at(i));
    Codes::new(grid.code_range(), codes)
}

/// How far below and above zero the codes may lie.
fn ranges(grid: &Grid, zeros: &Zeros) -> impl Fn(usize) -> (u32, u32) {
    let (low, high) = grid.code_range();
    move |position| {
        let zero = zeros.at(position);
        ((zero - low).max(0) as u32, (high - zero).max(0) as u32)
    }
}

fn dense_width(grid: &Grid) -> usize {
    if grid.bits() <= 8 { 1 } else { 2 }
}
