//! What happens to a tile's sums before they are stored.

use super::rows::code_of;
use super::tile::{SUMS, Sums};
use crate::kernels::levels::by_level;

/// What a product's integers are turned into: for row i and column j
/// `y = (sum − zero_pointᵢ·Σₖ B[k, j]) · (row_scaleᵢ·scales[j]) + bias[j]`, with one rounding for
/// the last two operations, then ReLU where asked for. Where the product of the scales of a row and of
/// the columns around is no normal f32, all of it is computed in f64.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// The scale of each column of B: `[n]`.
    pub scales: &'a [f32],
    /// What is added to each column: `[n]`, or nothing.
    pub bias: Option<&'a [f32]>,
    /// Whether negative results become zero.
    pub relu: bool,
}

/// What the columns of a tile share.
pub(super) struct Columns {
    sums: [i32; SUMS],
    scales: [f32; SUMS],
    /// The smallest and the largest magnitude of the scales.
    range: (f32, f32),
    bias: [f32; SUMS],
}

impl Columns {
    /// Those of some columns of B; what lies beyond is zero.
    pub(super) fn new(
        columns: std::ops::Range<usize>,
        sums: &[i32],
        epilogue: Option<&Epilogue<'_>>,
    ) -> Self {
        let mut here = Columns {
            sums: [0; SUMS],
            scales: [0.0; SUMS],
            range: (1.0, 1.0),
            bias: [0.0; SUMS],
        };
        let width = columns.len();
        here.sums[..width].copy_from_slice(&sums[columns.clone()]);
        if let Some(epilogue) = epilogue {
            let scales = &epilogue.scales[columns.clone()];
            here.scales[..width].copy_from_slice(scales);
            here.range = magnitudes(scales);
            if let Some(bias) = epilogue.bias {
                here.bias[..width].copy_from_slice(&bias[columns]);
            }
        }
        here
    }

    /// Whether the product of one of these scales and one of some rows' is no normal f32.
    #[inline(always)]
    fn are_far(&self, rows: &[f32]) -> bool {
        let (low, high) = self.range;
        let far = |&s: &f32| s * low < f32::MIN_POSITIVE || s * high == f32::INFINITY;
        rows.iter().fold(false, |any, s| any | far(s))
    }
}

/// The smallest and the largest magnitude of some values: in integers, which vectorize.
fn magnitudes(values: &[f32]) -> (f32, f32) {
    let bits = values.iter().map(|v| v.abs().to_bits());
    let (low, high) = bits.fold((u32::MAX >> 1, 0), |(low, high), b| {
        (b.min(low), b.max(high))
    });
    (f32::from_bits(low), f32::from_bits(high))
}

/// Part of a matrix that is being written: `rows` of `cols` elements, `stride` from each other.
pub(super) struct Part<T> {
    /// The first element.
    at: *mut T,
    stride: usize,
    rows: usize,
    cols: usize,
}

impl<T: Copy> Part<T> {
    /// # Safety
    /// As long as the part exists, all of its elements can be written, and nobody else touches
    /// them.
    pub(super) unsafe fn new(at: *mut T, stride: usize, rows: usize, cols: usize) -> Self {
        Part {
            at,
            stride,
            rows,
            cols,
        }
    }

    /// Stores as many of the values as the part has columns.
    #[inline(always)]
    fn store(&mut self, row: usize, values: &[T; SUMS]) {
        assert!(row < self.rows);
        // SAFETY: the row is one of the part, which is borrowed mutably, and by the contract of
        // `new` nobody else touches it.
        let to =
            unsafe { std::slice::from_raw_parts_mut(self.at.add(row * self.stride), self.cols) };
        // The compiler knows the length of a whole row.
        match to.first_chunk_mut::<SUMS>() {
            Some(to) => *to = *values,
            None => to.copy_from_slice(&values[..self.cols]),
        }
    }
}

/// The rows of a tile: their zero points and scales.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub zero_points: &'a [i32],
    pub scales: &'a [f32],
}

/// How results become codes again.
#[derive(Clone, Copy)]
pub(super) struct Requantize {
    pub inverse: f32,
    pub zero_point: i32,
}

by_level! {
    /// Stores `sum − zero_point·column sum`. The part has a row for each zero point.
    pub(super) fn store_i32(sums: &Sums, rows: Rows<'_>, columns: &Columns, to: &mut Part<i32>)
        = store_i32_body;

    /// Stores what [`Epilogue`] says. As for [`store_i32`].
    pub(super) fn store_f32(
        sums: &Sums, rows: Rows<'_>, columns: &Columns, relu: bool, to: &mut Part<f32>,
    ) = store_f32_body;

    /// Stores the codes of what [`Epilogue`] says. As for [`store_i32`].
    pub(super) fn store_codes(
        sums: &Sums, rows: Rows<'_>, columns: &Columns, relu: bool, codes: Requantize,
        to: &mut Part<u8>,
    ) = store_codes_body;
}

#[inline(always)]
fn store_i32_body(sums: &Sums, rows: Rows<'_>, columns: &Columns, to: &mut Part<i32>) {
    for (r, &zero) in rows.zero_points.iter().enumerate() {
        let mut y = [0; SUMS];
        for (j, y) in y.iter_mut().enumerate() {
            *y = sums.0[r][j].wrapping_sub(zero.wrapping_mul(columns.sums[j]));
        }
        to.store(r, &y);
    }
}

#[inline(always)]
fn store_f32_body(sums: &Sums, rows: Rows<'_>, columns: &Columns, relu: bool, to: &mut Part<f32>) {
    if columns.are_far(rows.scales) {
        return store_far(sums, rows, columns, relu, |r, y| to.store(r, y));
    }
    for r in 0..rows.zero_points.len() {
        to.store(r, &results(sums, rows, columns, relu, r));
    }
}

#[inline(always)]
fn store_codes_body(
    sums: &Sums,
    rows: Rows<'_>,
    columns: &Columns,
    relu: bool,
    codes: Requantize,
    to: &mut Part<u8>,
) {
    if columns.are_far(rows.scales) {
        return store_far(sums, rows, columns, relu, |r, y| {
            to.store(r, &codes_of(y, codes))
        });
    }
    for r in 0..rows.zero_points.len() {
        let y = results(sums, rows, columns, relu, r);
        to.store(r, &codes_of(&y, codes));
    }
}

#[inline(always)]
fn codes_of(y: &[f32; SUMS], codes: Requantize) -> [u8; SUMS] {
    // A loop: `map` over an array becomes a call for each element in some builds.
    let mut coded = [0; SUMS];
    for (coded, &y) in coded.iter_mut().zip(y) {
        *coded = code_of(y, codes.inverse, codes.zero_point);
    }
    coded
}

/// Row `r` of a tile as [`Epilogue`] says.
#[inline(always)]
fn results(sums: &Sums, rows: Rows<'_>, columns: &Columns, relu: bool, r: usize) -> [f32; SUMS] {
    let (zero, scale) = (rows.zero_points[r], rows.scales[r]);
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    let mut y = [0.0; SUMS];
    for (j, y) in y.iter_mut().enumerate() {
        let sum = sums.0[r][j].wrapping_sub(zero.wrapping_mul(columns.sums[j]));
        let value = (sum as f32).mul_add(scale * columns.scales[j], columns.bias[j]);
        *y = if value <= floor { floor } else { value };
    }
    y
}

/// Stores a tile that has rows where the product of two scales is beyond f32, or loses bits as a
/// subnormal, though the results need not: those rows in f64.
#[cold]
#[inline(never)]
fn store_far(
    sums: &Sums,
    rows: Rows<'_>,
    columns: &Columns,
    relu: bool,
    mut store: impl FnMut(usize, &[f32; SUMS]),
) {
    for r in 0..rows.zero_points.len() {
        match columns.are_far(&rows.scales[r..=r]) {
            true => store(r, &far_results(sums, rows, columns, relu, r)),
            false => store(r, &results(sums, rows, columns, relu, r)),
        }
    }
}

fn far_results(
    sums: &Sums,
    rows: Rows<'_>,
    columns: &Columns,
    relu: bool,
    r: usize,
) -> [f32; SUMS] {
    let (zero, scale) = (rows.zero_points[r], f64::from(rows.scales[r]));
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    let mut y = [0.0; SUMS];
    for (j, y) in y.iter_mut().enumerate() {
        let sum = sums.0[r][j].wrapping_sub(zero.wrapping_mul(columns.sums[j]));
        let scaled = f64::from(sum) * (scale * f64::from(columns.scales[j]));
        let value = (scaled + f64::from(columns.bias[j])) as f32;
        *y = if value <= floor { floor } else { value };
    }
    y
}
