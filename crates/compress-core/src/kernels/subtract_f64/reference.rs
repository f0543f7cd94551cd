//! The specification of the products, which the scalar level runs, and the two kernels that every
//! level compiles from one body.

use std::ops::Range;

use super::tile::{PANEL, Triangle};
use crate::kernels::levels::by_level;

/// Rows that are substituted side by side, so that no chain waits for itself.
const GROUP: usize = 4;

by_level! {
    /// See [`super::subtract`].
    pub(super) fn subtract_at(
        rows: &mut [f64],
        stride: usize,
        k: Range<usize>,
        to: usize,
        panel: &[f64],
    ) = subtract;

    /// Solves for the columns `at..at + PANEL` of each row (of `stride` elements), after all that
    /// depends on columns before them has been subtracted: `x[c] = (x[c] - Σ x[k] ·
    /// triangle[k][c]) · scales[c]`, k ascending below c.
    ///
    /// # Panics
    /// Where `rows` are not whole rows, or have no such columns.
    pub(crate) fn substitute_at(
        rows: &mut [f64],
        stride: usize,
        at: usize,
        triangle: &Triangle,
        scales: &[f64; PANEL],
    ) = substitute;

    /// The Cholesky factor of the lower triangle of at most [`PANEL`] rows (of `stride` elements)
    /// and as many columns from `at` on, in place, after all that depends on columns before them
    /// has been subtracted. Returns the reciprocals of the diagonal; or else the first pivot that
    /// is not a positive finite number: its row, and its value.
    ///
    /// # Panics
    /// Where there are more rows, or they have no such columns.
    pub(crate) fn factor_triangle_at(
        rows: &mut [f64],
        stride: usize,
        at: usize,
    ) -> Result<[f64; PANEL], (usize, f64)> = factor_triangle;
}

#[inline(always)]
fn subtract(rows: &mut [f64], stride: usize, k: Range<usize>, to: usize, panel: &[f64]) {
    let (panel, _) = panel.as_chunks::<PANEL>();
    for row in rows.chunks_exact_mut(stride) {
        let (before, after) = row.split_at_mut(to);
        let c = after.first_chunk_mut::<PANEL>().expect("a whole panel");
        for (&a, b) in before[k.clone()].iter().zip(panel) {
            for (c, &b) in c.iter_mut().zip(b) {
                *c = (-a).mul_add(b, *c);
            }
        }
    }
}

#[inline(always)]
fn substitute(
    rows: &mut [f64],
    stride: usize,
    at: usize,
    triangle: &Triangle,
    scales: &[f64; PANEL],
) {
    let mut groups = rows.chunks_exact_mut(GROUP * stride);
    for group in &mut groups {
        substitute_rows::<GROUP>(group, stride, at, triangle, scales);
    }
    for row in groups.into_remainder().chunks_exact_mut(stride) {
        substitute_rows::<1>(row, stride, at, triangle, scales);
    }
}

#[inline(always)]
fn substitute_rows<const R: usize>(
    rows: &mut [f64],
    stride: usize,
    at: usize,
    triangle: &Triangle,
    scales: &[f64; PANEL],
) {
    let mut rest: [[f64; PANEL]; R] = std::array::from_fn(|r| {
        let row = &rows[r * stride + at..][..PANEL];
        std::array::from_fn(|c| row[c])
    });
    // Apart from what is left to subtract from: subtracting a zero would turn −0 into 0.
    let mut solved = [[0.0; PANEL]; R];
    for k in 0..PANEL {
        for (rest, solved) in rest.iter_mut().zip(&mut solved) {
            let x = rest[k] * scales[k];
            solved[k] = x;
            for (rest, &b) in rest.iter_mut().zip(&triangle[k]) {
                *rest = (-x).mul_add(b, *rest);
            }
        }
    }
    for (r, solved) in solved.iter().enumerate() {
        rows[r * stride + at..][..PANEL].copy_from_slice(solved);
    }
}

#[inline(always)]
fn factor_triangle(
    rows: &mut [f64],
    stride: usize,
    at: usize,
) -> Result<[f64; PANEL], (usize, f64)> {
    let mut scales = [0.0; PANEL];
    let height = rows.len() / stride;
    assert!(height <= PANEL);
    for j in 0..height {
        let (above, below) = rows.split_at_mut((j + 1) * stride);
        let row = &mut above[j * stride + at..][..=j];
        let pivot = row[..j].iter().fold(row[j], |sum, &x| (-x).mul_add(x, sum));
        if !(pivot > 0.0 && pivot.is_finite()) {
            return Err((j, pivot));
        }
        row[j] = pivot.sqrt();
        scales[j] = 1.0 / row[j];
        for other in below.chunks_exact_mut(stride) {
            let other = &mut other[at..][..=j];
            let products = other[..j].iter().zip(&row[..j]);
            let sum = products.fold(other[j], |sum, (&x, &y)| (-x).mul_add(y, sum));
            other[j] = sum * scales[j];
        }
    }
    Ok(scales)
}
