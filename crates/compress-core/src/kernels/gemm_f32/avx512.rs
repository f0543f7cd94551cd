//! AVX-512: a register tile of 14 rows by 32 columns, and a transpose of 16 by 16 in registers.
//!
//! 28 of the 32 registers hold the tile, two hold a row of B, one an element of A. A step of k
//! takes 28 fused multiply-adds and 16 loads: at two of each a cycle, 14 cycles of arithmetic
//! that hide 8 of loading, and 28 chains are enough to hide the latency of 4 cycles. Measured
//! alone, with B in the second cache, the loop runs at 99 % of the peak of the multiply-adds.

use std::arch::x86_64::*;

use ndarray::ArrayView2;

use super::tile::{PANEL, ROW_PANELS, Row, Start, Tile, check_transpose};

/// Lanes of a vector.
const LANES: usize = 16;
/// Rows of a register tile.
pub(super) const ROWS: usize = 14;

/// See [`Level::multiply`](super::dispatch::Level::multiply).
///
/// # Safety
/// The processor has AVX-512 F, and `t` describes memory as [`Tile`] says.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn multiply(t: &Tile) {
    // SAFETY: passed on from the caller; the tile's height is the one matched.
    unsafe {
        match t.rows {
            1 => rows::<1>(t),
            2 => rows::<2>(t),
            3 => rows::<3>(t),
            4 => rows::<4>(t),
            5 => rows::<5>(t),
            6 => rows::<6>(t),
            7 => rows::<7>(t),
            8 => rows::<8>(t),
            9 => rows::<9>(t),
            10 => rows::<10>(t),
            11 => rows::<11>(t),
            12 => rows::<12>(t),
            13 => rows::<13>(t),
            14 => rows::<14>(t),
            _ => unreachable!("a tile has 1 to 14 rows"),
        }
    }
}

/// # Safety
/// As [`multiply`]; the tile has `R` rows.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn rows<const R: usize>(t: &Tile) {
    // SAFETY: passed on from the caller; the number of vectors covers the columns.
    unsafe {
        if t.cols > LANES {
            tile::<R, 2>(t)
        } else {
            tile::<R, 1>(t)
        }
    }
}

/// # Safety
/// As [`multiply`]; the tile has `R` rows, and more than `16·(V-1)` and at most `16·V` columns.
#[target_feature(enable = "avx512f")]
unsafe fn tile<const R: usize, const V: usize>(t: &Tile) {
    let mask = |v: usize| -> __mmask16 {
        let lanes = (t.cols - v * LANES).min(LANES);
        (((1u32 << lanes) - 1) & 0xffff) as __mmask16
    };
    let mut acc = [[_mm512_setzero_ps(); V]; R];
    // SAFETY: by the contract of `Tile`, C (and the bias) have `cols` columns from their
    // pointers, and the masks leave out what lies beyond; A has `R` rows of `k` elements at
    // its strides, and B has `k` rows of whole vectors.
    unsafe {
        match t.start {
            Start::Zero => {}
            Start::Accumulate => {
                for (r, acc) in acc.iter_mut().enumerate() {
                    for (v, acc) in acc.iter_mut().enumerate() {
                        let c = t.c.add(r * t.c_stride + v * LANES);
                        *acc = _mm512_maskz_loadu_ps(mask(v), c);
                    }
                }
            }
            Start::Bias(bias) => {
                for v in 0..V {
                    let bias = _mm512_maskz_loadu_ps(mask(v), bias.add(v * LANES));
                    acc.iter_mut().for_each(|acc| acc[v] = bias);
                }
            }
        }
        let (mut a, mut b) = (t.a_quads(), t.b);
        for _ in 0..t.k {
            let row: [__m512; V] = std::array::from_fn(|v| _mm512_loadu_ps(b.add(v * LANES)));
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = _mm512_set1_ps(*a[r / 4].wrapping_offset((r % 4) as isize * t.a_rows));
                for (acc, &b) in acc.iter_mut().zip(&row) {
                    *acc = _mm512_fmadd_ps(x, b, *acc);
                }
            }
            a = a.map(|a| a.wrapping_offset(t.a_cols));
            b = b.add(PANEL);
        }
        for (r, acc) in acc.iter().enumerate() {
            for (v, &acc) in acc.iter().enumerate() {
                let c = t.c.add(r * t.c_stride + v * LANES);
                _mm512_mask_storeu_ps(c, mask(v), acc);
            }
        }
    }
}

/// See [`Level::row`](super::dispatch::Level::row).
///
/// # Safety
/// The processor has AVX-512 F, and `t` describes memory as [`Row`] says.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn row(t: &Row) {
    // SAFETY: passed on from the caller; the panels are those that the columns reach.
    unsafe {
        match t.cols.div_ceil(PANEL) {
            1 => row_panels::<1>(t),
            2 => row_panels::<2>(t),
            3 => row_panels::<3>(t),
            4 => row_panels::<4>(t),
            ROW_PANELS => row_panels::<ROW_PANELS>(t),
            _ => unreachable!("a row has 1 to 5 panels"),
        }
    }
}

/// # Safety
/// As [`row`]; the columns reach into `P` panels.
#[target_feature(enable = "avx512f")]
unsafe fn row_panels<const P: usize>(t: &Row) {
    let at = |p: usize, v: usize| p * PANEL + v * LANES;
    let mask = |p: usize, v: usize| -> __mmask16 {
        let lanes = t.cols.saturating_sub(at(p, v)).min(LANES);
        (((1u32 << lanes) - 1) & 0xffff) as __mmask16
    };
    let mut acc = [[_mm512_setzero_ps(); 2]; P];
    // SAFETY: by the contract of `Row`, C (and the bias) have `cols` columns from their pointers,
    // and the masks leave out what lies beyond; A has `k` elements, each panel `k` whole rows.
    unsafe {
        let from = match t.start {
            Start::Zero => None,
            Start::Accumulate => Some(t.c.cast_const()),
            Start::Bias(bias) => Some(bias),
        };
        if let Some(from) = from {
            for (p, acc) in acc.iter_mut().enumerate() {
                for (v, acc) in acc.iter_mut().enumerate() {
                    *acc = _mm512_maskz_loadu_ps(mask(p, v), from.wrapping_add(at(p, v)));
                }
            }
        }
        let (mut a, mut b) = (t.a, t.b);
        for _ in 0..t.k {
            let x = _mm512_set1_ps(*a);
            for (p, acc) in acc.iter_mut().enumerate() {
                for (v, acc) in acc.iter_mut().enumerate() {
                    let b = _mm512_loadu_ps(b.add(p * t.panel_size + v * LANES));
                    *acc = _mm512_fmadd_ps(x, b, *acc);
                }
            }
            a = a.wrapping_offset(t.a_cols);
            b = b.wrapping_add(PANEL);
        }
        for (p, acc) in acc.iter().enumerate() {
            for (v, &acc) in acc.iter().enumerate() {
                _mm512_mask_storeu_ps(t.c.wrapping_add(at(p, v)), mask(p, v), acc);
            }
        }
    }
}

/// See [`Level::transpose`](super::dispatch::Level::transpose).
#[target_feature(enable = "avx512f")]
pub(super) fn transpose(from: ArrayView2<'_, f32>, to: &mut [f32], to_stride: usize) {
    let (rows, cols) = from.dim();
    let from_stride = check_transpose(&from, to, to_stride);
    for row in (0..rows).step_by(LANES) {
        let height = (rows - row).min(LANES);
        for col in (0..cols).step_by(LANES) {
            let width = (cols - col).min(LANES);
            // SAFETY: the block lies inside of both, which was checked above.
            unsafe {
                let from = from.as_ptr().offset(row as isize * from_stride).add(col);
                let to = to.as_mut_ptr().add(col * to_stride + row);
                transpose_block(from, from_stride, height, width, to, to_stride);
            }
        }
    }
}

/// Transposes a block of `height` by `width`, each 1 to 16.
///
/// # Safety
/// `from` is valid for `height` rows of `width` elements at `from_stride`, `to` for `width` rows
/// of `height` elements at `to_stride`.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn transpose_block(
    from: *const f32,
    from_stride: isize,
    height: usize,
    width: usize,
    to: *mut f32,
    to_stride: usize,
) {
    let columns = ((1u32 << width) - 1) as __mmask16;
    let zero = _mm512_setzero_ps();
    let mut block = [zero; LANES];
    for (r, row) in block.iter_mut().enumerate() {
        if r < height {
            // SAFETY: row `r` is one of `height`, and the mask leaves out what lies beyond it.
            *row = unsafe { _mm512_maskz_loadu_ps(columns, from.offset(r as isize * from_stride)) };
        }
    }
    let block = transpose_registers(block);
    let rows = ((1u32 << height) - 1) as __mmask16;
    for (r, &row) in block.iter().enumerate() {
        if r < width {
            // SAFETY: row `r` is one of `width`, and the mask leaves out what lies beyond it.
            unsafe { _mm512_mask_storeu_ps(to.add(r * to_stride), rows, row) };
        }
    }
}

/// Transposes 16 by 16: pairs of rows, pairs of pairs, then quarters of vectors twice.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_registers(rows: [__m512; LANES]) -> [__m512; LANES] {
    let zero = _mm512_setzero_ps();
    let mut quads = [zero; LANES];
    for g in 0..4 {
        let r = &rows[4 * g..4 * g + 4];
        let low = |a, b| _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
        let high = |a, b| _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
        let (l01, l23) = (low(r[0], r[1]), low(r[2], r[3]));
        let (h01, h23) = (high(r[0], r[1]), high(r[2], r[3]));
        quads[4 * g] = _mm512_castpd_ps(_mm512_unpacklo_pd(l01, l23));
        quads[4 * g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(l01, l23));
        quads[4 * g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(h01, h23));
        quads[4 * g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(h01, h23));
    }
    // Quarter `l` of `quads[4g + q]` holds column `4l + q` of rows `4g..4g + 4`.
    let mut columns = [zero; LANES];
    for q in 0..4 {
        let (u0, u1, u2, u3) = (quads[q], quads[4 + q], quads[8 + q], quads[12 + q]);
        let (even01, even23) = (
            _mm512_shuffle_f32x4::<0x88>(u0, u1),
            _mm512_shuffle_f32x4::<0x88>(u2, u3),
        );
        let (odd01, odd23) = (
            _mm512_shuffle_f32x4::<0xdd>(u0, u1),
            _mm512_shuffle_f32x4::<0xdd>(u2, u3),
        );
        columns[q] = _mm512_shuffle_f32x4::<0x88>(even01, even23);
        columns[4 + q] = _mm512_shuffle_f32x4::<0x88>(odd01, odd23);
        columns[8 + q] = _mm512_shuffle_f32x4::<0xdd>(even01, even23);
        columns[12 + q] = _mm512_shuffle_f32x4::<0xdd>(odd01, odd23);
    }
    columns
}

const _: () = assert!(PANEL == 2 * LANES);
