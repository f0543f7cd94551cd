//! The activations of a product: rows of unsigned codes, each row with its scale and zero point.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;

use super::pack::DEPTH;
use crate::isa::Isa;
use crate::kernels::Threads;
use crate::kernels::levels::by_level;
use crate::kernels::lines::Lines;
use crate::kernels::reduce::INFINITE;
use crate::{Error, Result};

/// The distance of two rows is not a multiple of this: rows at such distances would compete for
/// the same lines of the first cache.
const ALIAS: usize = 1024;
/// What the number of rows is rounded up to: as many as an AMX tile has.
pub(super) const STRIP: usize = 16;
/// 1.5·2²³: added to a number between −2²² and 2²², it leaves the nearest integer, ties to even,
/// in the lowest bits.
const ROUND: f32 = 12_582_912.0;
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
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn row(&self, row: usize) -> &[u8] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
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
        self.each_row(&x, |row, codes, scale, zero| {
            let parameters = dynamic(isa, row, codes);
            (*scale, *zero) = parameters.unwrap_or_default();
            parameters.is_some()
        })
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
        self.each_row(&x, |row, codes, _, _| {
            fixed(isa, row, inverse, i32::from(zero_point), codes)
        })
    }

    /// Takes codes `[rows, k]` as they are, unscaled: signed ones with a zero point of 128.
    pub(super) fn take<T: Copy + Sync>(
        &mut self,
        a: ArrayView2<'_, T>,
        zero: u8,
        code: impl Fn(T) -> u8 + Sync,
    ) {
        self.prepare(a.nrows(), a.ncols(), 1.0, zero);
        let (stride, k) = (self.stride(), self.k);
        let take = |(i, codes): (usize, &mut [u8])| {
            let row = a.row(i);
            match row.to_slice() {
                Some(row) => codes.iter_mut().zip(row).for_each(|(c, &a)| *c = code(a)),
                None => codes.iter_mut().zip(row).for_each(|(c, &a)| *c = code(a)),
            }
        };
        let codes = &mut self.codes.bytes_mut()[..a.nrows() * stride];
        if Threads::Pool.share(a.nrows().saturating_mul(k)) {
            codes
                .par_chunks_exact_mut(stride)
                .enumerate()
                .for_each(take);
        } else {
            codes.chunks_exact_mut(stride).enumerate().for_each(take);
        }
    }

    /// Runs `work` on each row of x and what belongs to it here. It says whether all values were
    /// finite.
    fn each_row(
        &mut self,
        x: &ArrayView2<'_, f32>,
        work: impl Fn(&[f32], &mut [u8], &mut f32, &mut i32) -> bool + Sync,
    ) -> Result<()> {
        let (rows, k, stride) = (self.rows, self.k, self.stride());
        let codes = &mut self.codes.bytes_mut()[..rows * stride];
        let (scales, zeros) = (&mut self.scales[..rows], &mut self.zero_points[..rows]);
        let run = |(i, (codes, (scale, zero))): (usize, (&mut [u8], (&mut f32, &mut i32)))| {
            let row = x.row(i);
            let good = match row.to_slice() {
                Some(row) => work(row, &mut codes[..k], scale, zero),
                None => work(&row.to_vec(), &mut codes[..k], scale, zero),
            };
            (!good).then_some(i)
        };
        let fault = if Threads::Pool.share(rows.saturating_mul(k)) {
            let parameters = scales.par_iter_mut().zip(zeros);
            let rows = codes.par_chunks_exact_mut(stride).zip(parameters);
            rows.enumerate().filter_map(run).min()
        } else {
            let parameters = scales.iter_mut().zip(zeros);
            let rows = codes.chunks_exact_mut(stride).zip(parameters);
            rows.enumerate().filter_map(run).min()
        };
        match fault {
            None => Ok(()),
            Some(row) => Err(non_finite(row, x.row(row))),
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
            .grow(rows.div_ceil(STRIP).saturating_mul(STRIP * self.stride()));
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

fn non_finite(row: usize, values: ArrayView1<'_, f32>) -> Error {
    let index = values.iter().position(|x| !x.is_finite());
    let index = index.unwrap_or_default();
    Error::NonFinite {
        what: format!("row {row} of the inputs"),
        index,
        value: values.get(index).copied().unwrap_or(f32::NAN),
    }
}

by_level! {
    /// The scale and the zero point of a row, after its codes have been written. None where a
    /// value is not finite.
    fn dynamic(x: &[f32], codes: &mut [u8]) -> Option<(f32, i32)> = dynamic_body;

    /// Whether all values are finite; if so, their codes have been written.
    fn fixed(x: &[f32], inverse: f32, zero: i32, codes: &mut [u8]) -> bool = fixed_body;
}

#[inline(always)]
fn dynamic_body(x: &[f32], codes: &mut [u8]) -> Option<(f32, i32)> {
    let Extremes { low, high, bits } = Extremes::of(x);
    if bits >= INFINITE {
        return None;
    }
    let scale = high / 255.0 - low / 255.0;
    let inverse = 1.0 / scale;
    if !inverse.is_finite() {
        codes.fill(0);
        return Some((0.0, 0));
    }
    let zero = (low * -inverse).round_ties_even() as i32;
    encode(x, inverse, zero, codes);
    Some((scale, zero))
}

#[inline(always)]
fn fixed_body(x: &[f32], inverse: f32, zero: i32, codes: &mut [u8]) -> bool {
    let finite = Extremes::of(x).bits < INFINITE;
    if finite {
        encode(x, inverse, zero, codes);
    }
    finite
}

/// Where the values of a row lie.
struct Extremes {
    /// The smallest, or 0.
    low: f32,
    /// The largest, or 0.
    high: f32,
    /// The largest bits of a magnitude.
    bits: u32,
}

impl Extremes {
    #[inline(always)]
    fn of(x: &[f32]) -> Self {
        let (mut low, mut high, mut bits) = ([0.0f32; LANES], [0.0f32; LANES], [0u32; LANES]);
        let mut take = |chunk: &[f32; LANES]| {
            for (lane, &x) in chunk.iter().enumerate() {
                low[lane] = if x < low[lane] { x } else { low[lane] };
                high[lane] = if x > high[lane] { x } else { high[lane] };
                bits[lane] = bits[lane].max(x.to_bits() & 0x7fff_ffff);
            }
        };
        x.as_chunks::<LANES>().0.iter().for_each(&mut take);
        // The last values once more rather than those that do not fill a chunk one by one.
        match x.last_chunk::<LANES>() {
            Some(chunk) => take(chunk),
            None => take(&filled(x)),
        }
        // In halves: one after the other, the lanes would take as long as a row of 1,000 values.
        let mut half = LANES / 2;
        while half > 0 {
            for lane in 0..half {
                let (l, h) = (low[lane + half], high[lane + half]);
                low[lane] = if l < low[lane] { l } else { low[lane] };
                high[lane] = if h > high[lane] { h } else { high[lane] };
                bits[lane] = bits[lane].max(bits[lane + half]);
            }
            half /= 2;
        }
        Extremes {
            low: low[0],
            high: high[0],
            bits: bits[0],
        }
    }
}

/// `codes = min(max(round(x·inverse) + zero, 0), 255)`.
#[inline(always)]
fn encode(x: &[f32], inverse: f32, zero: i32, codes: &mut [u8]) {
    let (to, from) = (codes.as_chunks_mut::<LANES>().0, x.as_chunks::<LANES>().0);
    for (to, from) in to.iter_mut().zip(from) {
        encode_chunk(from, inverse, zero, to);
    }
    match (codes.last_chunk_mut::<LANES>(), x.last_chunk::<LANES>()) {
        (Some(to), Some(from)) => encode_chunk(from, inverse, zero, to),
        _ => {
            let mut chunk = [0; LANES];
            encode_chunk(&filled(x), inverse, zero, &mut chunk);
            codes.copy_from_slice(&chunk[..x.len()]);
        }
    }
}

#[inline(always)]
fn encode_chunk(x: &[f32; LANES], inverse: f32, zero: i32, codes: &mut [u8; LANES]) {
    for (code, &x) in codes.iter_mut().zip(x) {
        *code = code_of(x, inverse, zero);
    }
}

/// What does not fill a chunk, filled up with zeros.
#[inline(always)]
fn filled(x: &[f32]) -> [f32; LANES] {
    let mut chunk = [0.0; LANES];
    chunk[..x.len()].copy_from_slice(x);
    chunk
}

/// The code of one value; of NaN 0.
#[inline(always)]
pub(super) fn code_of(x: f32, inverse: f32, zero: i32) -> u8 {
    let (low, high) = (-zero as f32, (255 - zero) as f32);
    let scaled = x * inverse;
    let scaled = if scaled > low { scaled } else { low };
    let scaled = if scaled < high { scaled } else { high };
    ((scaled + ROUND).to_bits() as i32 + (zero - ROUND.to_bits() as i32)) as u8
}
