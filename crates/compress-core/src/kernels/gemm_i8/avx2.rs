//! AVX2: a register tile of 6 rows by 8 columns, four of these to a tile.
//!
//! Codes and weights are widened to 16 bits, where `vpmaddwd` adds products in pairs and cannot
//! overflow: 2·255·128 is far below 2³¹. (`vpmaddubsw`, which would take them as bytes, saturates
//! at 2¹⁵.) Each sum is held in two lanes, those of k mod 4 of 0 or 1 and of 2 or 3, which are
//! added at the end.

use std::arch::x86_64::*;

use super::pack::{PANEL, QUAD};
use super::tile::Tile;
use crate::kernels::lines::LINE;

/// Columns of a register tile.
const COLS: usize = 8;

/// The most rows of a tile.
pub(super) const ROWS: usize = 6;

/// See [`Level::multiply`](super::dispatch::Level::multiply).
///
/// # Safety
/// The processor has AVX2, and the tile is as [`Tile`] says.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn multiply(t: &mut Tile<'_>) {
    // SAFETY: passed on from the caller; the tile's height is the one matched.
    unsafe {
        match t.rows {
            1 => tile::<1>(t),
            2 => tile::<2>(t),
            3 => tile::<3>(t),
            4 => tile::<4>(t),
            5 => tile::<5>(t),
            6 => tile::<6>(t),
            _ => unreachable!("a tile has 1 to 6 rows"),
        }
    }
}

/// # Safety
/// As [`multiply`]; the tile has `R` rows.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn tile<const R: usize>(t: &mut Tile<'_>) {
    for col in (0..t.panels * PANEL).step_by(COLS) {
        // SAFETY: passed on from the caller.
        let sums = unsafe { columns::<R>(t, col) };
        for (r, &[low, high]) in sums.iter().enumerate() {
            // Pairs of lanes are halves of sums; adding them leaves columns 0, 1, 4, 5 of the
            // low vector beside those of the high one in each half.
            let sum = _mm256_hadd_epi32(low, high);
            let sum = _mm256_permute4x64_epi64::<0b11_01_10_00>(sum);
            let to = &mut t.sums.0[r][col..][..COLS];
            // SAFETY: there are 8 elements.
            unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), sum) };
        }
    }
}

/// The sums of eight columns, those of the first four and of the last, two lanes each.
///
/// # Safety
/// As [`multiply`]; the tile has `R` rows, and `col` lies in one of its panels.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn columns<const R: usize>(t: &Tile<'_>, col: usize) -> [[__m256i; 2]; R] {
    let mut sums = [[_mm256_setzero_si256(); 2]; R];
    // SAFETY: rows of A and of the panels can be read up to a multiple of 64, so every four k
    // that have begun are there.
    unsafe {
        let mut b = t.b[col / PANEL].add(col % PANEL * QUAD);
        for quad in 0..t.k.div_ceil(QUAD) {
            let low = _mm256_cvtepi8_epi16(_mm_loadu_si128(b.cast()));
            let high = _mm256_cvtepi8_epi16(_mm_loadu_si128(b.add(16).cast()));
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = t.a.add(r * t.a_stride + quad * QUAD).cast::<i32>();
                let a = _mm256_cvtepu8_epi16(_mm_set1_epi32(a.read_unaligned()));
                sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(a, low));
                sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(a, high));
            }
            b = b.add(LINE);
        }
    }
    sums
}
