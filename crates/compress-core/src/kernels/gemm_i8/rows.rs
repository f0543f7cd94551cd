//! The activations of a product: rows of unsigned codes, each row with its scale and zero point.

use std::ops::Range;

use ndarray::ArrayView2;

use super::pack::DEPTH;
use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::kernels::lines::Lines;
use crate::{Error, Result};

/// The distance of two rows is not a multiple of this: rows at such distances would compete for
/// the same lines of the first cache.
const ALIAS: usize = 1024;
/// What the number of rows is rounded up to: as many as an AMX tile has.
pub(super) const STRIP: usize = 16;
/// 1.5·2²³: added to a number between −2²² and 2²², it leaves the nearest integer, ties to even,
/// in the lowest bits.
const ROUND: f32 = 12_582_912.0;
/// The bits of +∞.
const INFINITE: u32 = 0x7f80_0000;
/// Partial minima and maxima, two vectors of AVX-512.
const LANES: usize = 32;

/// Rows of activations in 8 bits, a buffer to be used again and again.
///
/// A code stands for `scale · (code − zero_point)` of its row (ONNX, `DequantizeLinear`).
#[derive(Clone, Debug, Default)]
pub struct QuantizedRows {
    codes: Lines,
    rows: usize,
    k: usize,
    scales: Vec<f32>,
    zero_points: Vec<i32>,
}

impl QuantizedRows {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rows, and how many codes each has.
    pub fn dim(&self) -> (usize, usize) {
        (self.rows, self.k)
    }

    /// The codes of a row.
    pub fn row(&self, row: usize) -> &[u8] {
        &self.codes.bytes()[row * self.stride()..][..self.k]
    }

    /// What a step of each row's codes is worth.
    pub fn scales(&self) -> &[f32] {
        &self.scales[..self.rows]
    }

    /// The code of zero in each row.
    pub fn zero_points(&self) -> &[i32] {
        &self.zero_points[..self.rows]
    }

    /// Takes x `[rows, k]` with a scale and a zero point for each row, so that the row's values
    /// and zero are between codes 0 and 255 (dynamic quantization; ONNX,
    /// `DynamicQuantizeLinear`, by rows): `scale = max/255 − min/255`, `zero_point =
    /// round(−min/scale)`, `code = round(x·(1/scale)) + zero_point`, rounded to even at ties.
    /// A row that lies within 10⁻³⁶ of zero counts as zero.
    ///
    /// # Errors
    /// [`Error::NonFinite`] at NaN and infinities, naming the row and the column.
    pub fn quantize(&mut self, x: ArrayView2<'_, f32>) -> Result<()> {
        self.quantize_at(Isa::active()?, x)
    }

    /// As [`QuantizedRows::quantize`], at a given level.
    ///
    /// # Errors
    /// As [`QuantizedRows::quantize`].
    pub fn quantize_at(&mut self, isa: Isa, x: ArrayView2<'_, f32>) -> Result<()> {
        self.resize(x.nrows(), x.ncols());
        let stride = self.stride();
        let codes = self.codes.bytes_mut().chunks_exact_mut(stride);
        let parameters = self.scales.iter_mut().zip(&mut self.zero_points);
        for ((i, (codes, (scale, zero))), row) in codes.zip(parameters).enumerate().zip(x.rows()) {
            let copy;
            let row = match row.to_slice() {
                Some(row) => row,
                None => {
                    copy = row.to_vec();
                    &copy
                }
            };
            (*scale, *zero) = dynamic(isa, row, &mut codes[..row.len()])
                .map_err(|column| non_finite(i, row, column))?;
        }
        Ok(())
    }

    /// Takes x `[rows, k]` with one scale and zero point for all rows (static quantization;
    /// ONNX, `QuantizeLinear`): `code = round(x·(1/scale)) + zero_point`, rounded to even at
    /// ties and brought into 0 to 255.
    ///
    /// # Errors
    /// Where the scale or its reciprocal is not a positive number; at NaN and infinities, naming
    /// the row and the column.
    pub fn quantize_with(
        &mut self,
        x: ArrayView2<'_, f32>,
        scale: f32,
        zero_point: u8,
    ) -> Result<()> {
        let isa = Isa::active()?;
        let inverse = reciprocal(scale)?;
        self.prepare(x.nrows(), x.ncols(), scale, zero_point);
        let stride = self.stride();
        let codes = self.codes.bytes_mut().chunks_exact_mut(stride);
        for ((i, codes), row) in codes.enumerate().zip(x.rows()) {
            let row = row.as_standard_layout();
            let row = row.as_slice().unwrap_or_default();
            if range(isa, row).2 >= INFINITE {
                return Err(non_finite(i, row, first_non_finite(row)));
            }
            encode(
                isa,
                row,
                inverse,
                i32::from(zero_point),
                &mut codes[..row.len()],
            );
        }
        Ok(())
    }

    /// Takes codes `[rows, k]` as they are, unscaled: signed ones with a zero point of 128.
    pub(super) fn take<T: Copy>(&mut self, a: ArrayView2<'_, T>, zero: u8, code: impl Fn(T) -> u8) {
        self.prepare(a.nrows(), a.ncols(), 1.0, zero);
        let stride = self.stride();
        let rows = self.codes.bytes_mut().chunks_exact_mut(stride);
        for (codes, row) in rows.zip(a.rows()) {
            match row.to_slice() {
                Some(row) => codes.iter_mut().zip(row).for_each(|(c, &a)| *c = code(a)),
                None => codes.iter_mut().zip(row).for_each(|(c, &a)| *c = code(a)),
            }
        }
    }

    /// Makes room for rows of codes that are about to be written, all with one scale.
    pub(super) fn prepare(&mut self, rows: usize, k: usize, scale: f32, zero_point: u8) {
        self.resize(rows, k);
        self.scales[..rows].fill(scale);
        self.zero_points[..rows].fill(i32::from(zero_point));
    }

    fn resize(&mut self, rows: usize, k: usize) {
        (self.rows, self.k) = (rows, k);
        // What lies behind a row's codes is multiplied with zeros, and what lies below the rows
        // makes sums that nobody stores: neither need be cleared.
        self.codes
            .grow(rows.next_multiple_of(STRIP) * self.stride());
        if self.scales.len() < rows {
            self.scales.resize(rows, 0.0);
            self.zero_points.resize(rows, 0);
        }
    }

    /// From one row to the next: whole tiles of AMX.
    pub(super) fn stride(&self) -> usize {
        let stride = self.k.next_multiple_of(DEPTH).max(DEPTH);
        stride
            + if stride.is_multiple_of(ALIAS) {
                DEPTH
            } else {
                0
            }
    }

    /// Some rows, and those below that fill the last strip: what a tile may read.
    pub(super) fn readable(&self, rows: Range<usize>) -> &[u8] {
        let below = rows.start + rows.len().next_multiple_of(STRIP);
        let below = below.min(self.rows.next_multiple_of(STRIP));
        &self.codes.bytes()[rows.start * self.stride()..below * self.stride()]
    }

    /// All rows, [`QuantizedRows::stride`] from each other.
    pub(super) fn codes_mut(&mut self) -> &mut [u8] {
        let length = self.rows * self.stride();
        &mut self.codes.bytes_mut()[..length]
    }
}

/// `1/scale`, where both are positive numbers.
pub(super) fn reciprocal(scale: f32) -> Result<f32> {
    let inverse = 1.0 / scale;
    if scale > 0.0 && scale.is_finite() && inverse.is_finite() {
        return Ok(inverse);
    }
    Err(Error::invalid(
        "scale of activations",
        scale,
        "positive, and its reciprocal finite",
    ))
}

/// Scale and zero point of a row, with its codes; or the column of the first non-finite value.
fn dynamic(isa: Isa, row: &[f32], codes: &mut [u8]) -> Result<(f32, i32), usize> {
    let (low, high, largest) = range(isa, row);
    if largest >= INFINITE {
        return Err(first_non_finite(row));
    }
    let scale = high / 255.0 - low / 255.0;
    let inverse = 1.0 / scale;
    if !inverse.is_finite() {
        codes.fill(0);
        return Ok((0.0, 0));
    }
    let zero = (low * -inverse).round_ties_even() as i32;
    encode(isa, row, inverse, zero, codes);
    Ok((scale, zero))
}

fn first_non_finite(row: &[f32]) -> usize {
    row.iter().position(|x| !x.is_finite()).unwrap_or_default()
}

fn non_finite(row: usize, values: &[f32], column: usize) -> Error {
    Error::NonFinite {
        what: format!("row {row} of the inputs"),
        index: column,
        value: values.get(column).copied().unwrap_or(f32::NAN),
    }
}

by_level! {
    /// The smallest value or 0, the largest or 0, and the largest bits of a magnitude.
    fn range(x: &[f32]) -> (f32, f32, u32) = range_body;

    /// `codes = min(max(round(x·inverse) + zero, 0), 255)`.
    fn encode(x: &[f32], inverse: f32, zero: i32, codes: &mut [u8]) = encode_body;
}

#[inline(always)]
fn range_body(x: &[f32]) -> (f32, f32, u32) {
    let (mut low, mut high, mut bits) = ([0.0f32; LANES], [0.0f32; LANES], [0u32; LANES]);
    let mut take = |lane: usize, x: f32| {
        low[lane] = if x < low[lane] { x } else { low[lane] };
        high[lane] = if x > high[lane] { x } else { high[lane] };
        bits[lane] = bits[lane].max(x.to_bits() & 0x7fff_ffff);
    };
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        chunk
            .iter()
            .enumerate()
            .for_each(|(lane, &x)| take(lane, x));
    }
    rest.iter().enumerate().for_each(|(lane, &x)| take(lane, x));
    let low = low
        .into_iter()
        .fold(0.0, |a: f32, b| if b < a { b } else { a });
    let high = high
        .into_iter()
        .fold(0.0, |a: f32, b| if b > a { b } else { a });
    (low, high, bits.into_iter().fold(0, u32::max))
}

#[inline(always)]
fn encode_body(x: &[f32], inverse: f32, zero: i32, codes: &mut [u8]) {
    for (code, &x) in codes.iter_mut().zip(x) {
        *code = code_of(x, inverse, zero);
    }
}

/// The code of one value.
#[inline(always)]
pub(super) fn code_of(x: f32, inverse: f32, zero: i32) -> u8 {
    let (low, high) = (-zero as f32, (255 - zero) as f32);
    let scaled = x * inverse;
    let scaled = if scaled < low { low } else { scaled };
    let scaled = if scaled > high { high } else { scaled };
    let rounded = (scaled + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
    (rounded + zero) as u8
}
