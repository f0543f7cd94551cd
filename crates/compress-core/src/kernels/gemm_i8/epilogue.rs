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
    /// The smallest and the largest of the scales.
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
            let ends = (f32::INFINITY, 0.0_f32);
            here.range = scales
                .iter()
                .fold(ends, |(low, high), &s| (low.min(s), high.max(s)));
            if let Some(bias) = epilogue.bias {
                here.bias[..width].copy_from_slice(&bias[columns]);
            }
        }
        here
    }
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
    for r in 0..rows.zero_points.len() {
        let y = results(sums, rows, columns, relu, r);
        to.store(r, &y);
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
    for r in 0..rows.zero_points.len() {
        let y = results(sums, rows, columns, relu, r);
        // A loop: `map` over an array becomes a call for each element in some builds.
        let mut coded = [0; SUMS];
        for (coded, &y) in coded.iter_mut().zip(&y) {
            *coded = code_of(y, codes.inverse, codes.zero_point);
        }
        to.store(r, &coded);
    }
}

/// Row `r` of a tile as [`Epilogue`] says.
#[inline(always)]
fn results(sums: &Sums, rows: Rows<'_>, columns: &Columns, relu: bool, r: usize) -> [f32; SUMS] {
    let (zero, scale) = (rows.zero_points[r], rows.scales[r]);
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    let (low, high) = columns.range;
    let mut y = [0.0; SUMS];
    if scale * low < f32::MIN_POSITIVE || (scale * high).is_infinite() {
        far_results(sums, rows, columns, r, &mut y);
    } else {
        for (j, y) in y.iter_mut().enumerate() {
            let sum = sums.0[r][j].wrapping_sub(zero.wrapping_mul(columns.sums[j]));
            *y = (sum as f32).mul_add(scale * columns.scales[j], columns.bias[j]);
        }
    }
    for y in &mut y {
        *y = if *y <= floor { floor } else { *y };
    }
    y
}

/// What [`results`] are where the product of two scales is beyond f32, or loses bits as a subnormal,
/// though the results need not.
#[cold]
fn far_results(sums: &Sums, rows: Rows<'_>, columns: &Columns, r: usize, y: &mut [f32; SUMS]) {
    let (zero, scale) = (rows.zero_points[r], f64::from(rows.scales[r]));
    for (j, y) in y.iter_mut().enumerate() {
        let sum = sums.0[r][j].wrapping_sub(zero.wrapping_mul(columns.sums[j]));
        let scaled = f64::from(sum) * (scale * f64::from(columns.scales[j]));
        *y = (scaled + f64::from(columns.bias[j])) as f32;
    }
}
