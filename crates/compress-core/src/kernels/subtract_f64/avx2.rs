//! AVX2 with FMA: a register tile of 6 rows by 8 columns, half a panel.
//!
//! 12 of the 16 registers hold the tile, two half a row of the panel, one an element of A.

use std::arch::x86_64::*;

use super::tile::{PANEL, Tile};

/// Lanes of a vector.
const LANES: usize = 4;
/// Vectors of a row of a tile.
const VECTORS: usize = 2;

/// The most rows of a tile.
pub(super) const ROWS: usize = 6;

/// See [`super::subtract`].
///
/// # Safety
/// The processor has AVX2 and FMA, and `t` is as [`Tile`] says, with 1 to [`ROWS`] rows.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn subtract(t: Tile) {
    for first in (0..PANEL).step_by(VECTORS * LANES) {
        // SAFETY: passed on from the caller; the tile's height is the one matched, and the
        // columns from `first` on are whole vectors of a panel.
        unsafe {
            match t.height {
                1 => tile::<1>(&t, first),
                2 => tile::<2>(&t, first),
                3 => tile::<3>(&t, first),
                4 => tile::<4>(&t, first),
                5 => tile::<5>(&t, first),
                6 => tile::<6>(&t, first),
                _ => unreachable!("a tile has 1 to 6 rows"),
            }
        }
    }
}

/// The columns `first..first + VECTORS · LANES`.
///
/// # Safety
/// As [`subtract`]; the tile has `R` rows, and the columns are of a panel.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const R: usize>(t: &Tile, first: usize) {
    let mut acc = [[_mm256_setzero_pd(); VECTORS]; R];
    // SAFETY: by the contract of `Tile`, its rows have `k` columns from `a` and whole panels from
    // `c`, and the panel has `k` rows.
    unsafe {
        let c = t.c.add(first);
        for (r, acc) in acc.iter_mut().enumerate() {
            for (v, acc) in acc.iter_mut().enumerate() {
                *acc = _mm256_loadu_pd(c.add(r * t.stride + v * LANES));
            }
        }
        let (mut a, mut b) = (t.a_quads(), t.panel.add(first));
        for _ in 0..t.k {
            let row: [__m256d; VECTORS] =
                std::array::from_fn(|v| _mm256_loadu_pd(b.wrapping_add(v * LANES)));
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = _mm256_set1_pd(*a[r / 4].wrapping_add((r % 4) * t.stride));
                for (acc, &b) in acc.iter_mut().zip(&row) {
                    *acc = _mm256_fnmadd_pd(x, b, *acc);
                }
            }
            a = a.map(|a| a.wrapping_add(1));
            b = b.wrapping_add(PANEL);
        }
        for (r, acc) in acc.iter().enumerate() {
            for (v, &acc) in acc.iter().enumerate() {
                _mm256_storeu_pd(c.add(r * t.stride + v * LANES), acc);
            }
        }
    }
}
