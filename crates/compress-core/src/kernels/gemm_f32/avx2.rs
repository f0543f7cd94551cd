//! AVX2 with FMA: a register tile of 6 rows by 16 columns, and a transpose of 8 by 8.
//!
//! A panel of 32 columns is two such tiles side by side. What does not fill its vectors goes
//! through a tile on the stack, since masked stores are slow on some processors.

use std::arch::x86_64::*;

use ndarray::ArrayView2;

use super::tile::{PANEL, Row, Start, Tile, check_transpose};

/// Lanes of a vector.
const LANES: usize = 8;
/// Columns of a register tile.
const WIDTH: usize = 2 * LANES;
/// Rows of a register tile.
pub(super) const ROWS: usize = 6;

/// See [`Level::multiply`](super::dispatch::Level::multiply).
///
/// # Safety
/// The processor has AVX2 and FMA, and `t` describes memory as [`Tile`] says.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn multiply(t: &Tile) {
    for col in (0..t.cols).step_by(WIDTH) {
        // SAFETY: columns `col` and on are a part of the tile.
        unsafe {
            let part = Tile {
                b: t.b.add(col),
                c: t.c.add(col),
                cols: (t.cols - col).min(WIDTH),
                start: match t.start {
                    Start::Bias(bias) => Start::Bias(bias.add(col)),
                    start => start,
                },
                ..*t
            };
            if part.cols == WIDTH {
                rows(&part);
            } else {
                partial(&part);
            }
        }
    }
}

/// A tile narrower than its vectors.
///
/// # Safety
/// As [`multiply`]; the tile has at most 16 columns.
#[target_feature(enable = "avx2,fma")]
unsafe fn partial(t: &Tile) {
    let mut c = [0.0; ROWS * WIDTH];
    let mut bias = [0.0; WIDTH];
    // SAFETY: C has `rows` rows and `cols` columns, which is what is copied, and the tile on the
    // stack has room for as many; B has whole vectors by the contract.
    unsafe {
        if let Start::Accumulate = t.start {
            for r in 0..t.rows {
                let from = t.c.add(r * t.c_stride);
                std::ptr::copy_nonoverlapping(from, c.as_mut_ptr().add(r * WIDTH), t.cols);
            }
        }
        let start = match t.start {
            Start::Bias(from) => {
                std::ptr::copy_nonoverlapping(from, bias.as_mut_ptr(), t.cols);
                Start::Bias(bias.as_ptr())
            }
            start => start,
        };
        rows(&Tile {
            c: c.as_mut_ptr(),
            c_stride: WIDTH,
            start,
            ..*t
        });
        for r in 0..t.rows {
            let to = t.c.add(r * t.c_stride);
            std::ptr::copy_nonoverlapping(c.as_ptr().add(r * WIDTH), to, t.cols);
        }
    }
}

/// # Safety
/// As [`multiply`]; C has room for whole vectors.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn rows(t: &Tile) {
    // SAFETY: passed on from the caller; the number of vectors covers the columns.
    unsafe {
        match (t.rows, t.cols > LANES) {
            (1, false) => tile::<1, 1>(t),
            (2, false) => tile::<2, 1>(t),
            (3, false) => tile::<3, 1>(t),
            (4, false) => tile::<4, 1>(t),
            (5, false) => tile::<5, 1>(t),
            (6, false) => tile::<6, 1>(t),
            (1, true) => tile::<1, 2>(t),
            (2, true) => tile::<2, 2>(t),
            (3, true) => tile::<3, 2>(t),
            (4, true) => tile::<4, 2>(t),
            (5, true) => tile::<5, 2>(t),
            (6, true) => tile::<6, 2>(t),
            _ => unreachable!("a tile has 1 to 6 rows"),
        }
    }
}

/// # Safety
/// As [`multiply`]; the tile has `R` rows and at most `8·V` columns; C, B and the bias have room
/// for whole vectors.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const R: usize, const V: usize>(t: &Tile) {
    let mut acc = [[_mm256_setzero_ps(); V]; R];
    // SAFETY: by the contract; A has `R` rows of `k` elements at its strides, B has `k` rows of
    // whole vectors, C has `R` rows of whole vectors at `c_stride`.
    unsafe {
        for (r, acc) in acc.iter_mut().enumerate() {
            for (v, acc) in acc.iter_mut().enumerate() {
                *acc = match t.start {
                    Start::Zero => _mm256_setzero_ps(),
                    Start::Accumulate => _mm256_loadu_ps(t.c.add(r * t.c_stride + v * LANES)),
                    Start::Bias(bias) => _mm256_loadu_ps(bias.add(v * LANES)),
                };
            }
        }
        let (mut a, mut b) = (t.a_quads(), t.b);
        for _ in 0..t.k {
            let row: [__m256; V] = std::array::from_fn(|v| _mm256_loadu_ps(b.add(v * LANES)));
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = _mm256_set1_ps(*a[r / 4].wrapping_offset((r % 4) as isize * t.a_rows));
                for (acc, &b) in acc.iter_mut().zip(&row) {
                    *acc = _mm256_fmadd_ps(x, b, *acc);
                }
            }
            a = a.map(|a| a.wrapping_offset(t.a_cols));
            b = b.add(PANEL);
        }
        for (r, acc) in acc.iter().enumerate() {
            for (v, &acc) in acc.iter().enumerate() {
                _mm256_storeu_ps(t.c.add(r * t.c_stride + v * LANES), acc);
            }
        }
    }
}

/// See [`Level::row`](super::dispatch::Level::row). A panel holds four vectors; eight chains hide the latency, so two panels
/// are taken at a time.
///
/// # Safety
/// The processor has AVX2 and FMA, and `t` describes memory as [`Row`] says.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn row(t: &Row) {
    for col in (0..t.cols).step_by(2 * PANEL) {
        let cols = (t.cols - col).min(2 * PANEL);
        // SAFETY: columns `col` and on are a part of the row, and these are their panels.
        unsafe {
            let start = match t.start {
                Start::Bias(bias) => Start::Bias(bias.add(col)),
                start => start,
            };
            let part = Row {
                b: t.b.add(col / PANEL * t.panel_size),
                c: t.c.add(col),
                cols,
                start,
                ..*t
            };
            if cols > PANEL {
                row_panels::<2>(&part);
            } else {
                row_panels::<1>(&part);
            }
        }
    }
}

/// # Safety
/// As [`row`]; the columns reach into `P` panels.
#[target_feature(enable = "avx2,fma")]
unsafe fn row_panels<const P: usize>(t: &Row) {
    let mut ends = [[[0.0f32; LANES]; PANEL / LANES]; P];
    let flat = ends.as_flattened_mut().as_flattened_mut();
    // SAFETY: by the contract of `Row`, C (and the bias) have `cols` columns from their pointers,
    // which the buffer on the stack has room for; A has `k` elements, each panel `k` whole rows.
    unsafe {
        match t.start {
            Start::Zero => {}
            Start::Accumulate => {
                std::ptr::copy_nonoverlapping(t.c, flat.as_mut_ptr(), t.cols);
            }
            Start::Bias(bias) => {
                std::ptr::copy_nonoverlapping(bias, flat.as_mut_ptr(), t.cols);
            }
        }
        let mut acc = ends.map(|panel| panel.map(|v| _mm256_loadu_ps(v.as_ptr())));
        let (mut a, mut b) = (t.a, t.b);
        for _ in 0..t.k {
            let x = _mm256_set1_ps(*a);
            for (p, acc) in acc.iter_mut().enumerate() {
                for (v, acc) in acc.iter_mut().enumerate() {
                    let b = _mm256_loadu_ps(b.add(p * t.panel_size + v * LANES));
                    *acc = _mm256_fmadd_ps(x, b, *acc);
                }
            }
            a = a.wrapping_offset(t.a_cols);
            b = b.wrapping_add(PANEL);
        }
        for (to, acc) in ends.as_flattened_mut().iter_mut().zip(acc.as_flattened()) {
            _mm256_storeu_ps(to.as_mut_ptr(), *acc);
        }
        let flat = ends.as_flattened().as_flattened();
        std::ptr::copy_nonoverlapping(flat.as_ptr(), t.c, t.cols);
    }
}

/// See [`Level::transpose`](super::dispatch::Level::transpose).
#[target_feature(enable = "avx2")]
pub(super) fn transpose(from: ArrayView2<'_, f32>, to: &mut [f32], to_stride: usize) {
    let (rows, cols) = from.dim();
    let from_stride = check_transpose(&from, to, to_stride);
    let (whole_rows, whole_cols) = (rows - rows % LANES, cols - cols % LANES);
    for row in (0..whole_rows).step_by(LANES) {
        for col in (0..whole_cols).step_by(LANES) {
            // SAFETY: the block lies inside of both, which was checked above.
            unsafe {
                let from = from.as_ptr().offset(row as isize * from_stride).add(col);
                let to = to.as_mut_ptr().add(col * to_stride + row);
                transpose_block(from, from_stride, to, to_stride);
            }
        }
        for col in whole_cols..cols {
            for r in row..row + LANES {
                to[col * to_stride + r] = from[(r, col)];
            }
        }
    }
    for row in whole_rows..rows {
        for col in 0..cols {
            to[col * to_stride + row] = from[(row, col)];
        }
    }
}

/// Transposes 8 by 8: pairs of rows, pairs of pairs, then halves of vectors.
///
/// # Safety
/// `from` and `to` are valid for 8 rows of 8 elements at their strides.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn transpose_block(from: *const f32, from_stride: isize, to: *mut f32, to_stride: usize) {
    // SAFETY: eight rows of eight, by the contract.
    let r: [__m256; LANES] =
        std::array::from_fn(|r| unsafe { _mm256_loadu_ps(from.offset(r as isize * from_stride)) });
    let mut quads = [_mm256_setzero_ps(); LANES];
    for g in 0..2 {
        let r = &r[4 * g..4 * g + 4];
        let low = |a, b| _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
        let high = |a, b| _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
        let (l01, l23) = (low(r[0], r[1]), low(r[2], r[3]));
        let (h01, h23) = (high(r[0], r[1]), high(r[2], r[3]));
        quads[4 * g] = _mm256_castpd_ps(_mm256_unpacklo_pd(l01, l23));
        quads[4 * g + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(l01, l23));
        quads[4 * g + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(h01, h23));
        quads[4 * g + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(h01, h23));
    }
    for q in 0..4 {
        let low = _mm256_permute2f128_ps::<0x20>(quads[q], quads[4 + q]);
        let high = _mm256_permute2f128_ps::<0x31>(quads[q], quads[4 + q]);
        // SAFETY: eight rows of eight, by the contract.
        unsafe {
            _mm256_storeu_ps(to.add(q * to_stride), low);
            _mm256_storeu_ps(to.add((4 + q) * to_stride), high);
        }
    }
}
