//! AVX-512: a register tile of 14 rows by 16 columns, as in the product of f32.
//!
//! 28 of the 32 registers hold the tile, two a row of the panel, one an element of A.

use std::arch::x86_64::*;

use super::tile::{PANEL, Tile};

/// Lanes of a vector.
const LANES: usize = 8;
/// Vectors of a row of a panel.
const VECTORS: usize = PANEL / LANES;

/// The most rows of a tile.
pub(super) const ROWS: usize = 14;

/// See [`super::subtract`].
///
/// # Safety
/// The processor has AVX-512 F, and `t` is as [`Tile`] says, with 1 to [`ROWS`] rows.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn subtract(t: Tile) {
    // SAFETY: passed on from the caller; the tile's height is the one matched.
    unsafe {
        match t.height {
            1 => tile::<1>(&t),
            2 => tile::<2>(&t),
            3 => tile::<3>(&t),
            4 => tile::<4>(&t),
            5 => tile::<5>(&t),
            6 => tile::<6>(&t),
            7 => tile::<7>(&t),
            8 => tile::<8>(&t),
            9 => tile::<9>(&t),
            10 => tile::<10>(&t),
            11 => tile::<11>(&t),
            12 => tile::<12>(&t),
            13 => tile::<13>(&t),
            14 => tile::<14>(&t),
            _ => unreachable!("a tile has 1 to 14 rows"),
        }
    }
}

/// # Safety
/// As [`subtract`]; the tile has `R` rows.
#[target_feature(enable = "avx512f")]
unsafe fn tile<const R: usize>(t: &Tile) {
    let mut acc = [[_mm512_setzero_pd(); VECTORS]; R];
    // SAFETY: by the contract of `Tile`, its rows have `k` columns from `a` and whole panels from
    // `c`, and the panel has `k` rows.
    unsafe {
        for (r, acc) in acc.iter_mut().enumerate() {
            for (v, acc) in acc.iter_mut().enumerate() {
                *acc = _mm512_loadu_pd(t.c.add(r * t.stride + v * LANES));
            }
        }
        let (mut a, mut b) = (t.a_quads(), t.panel);
        for _ in 0..t.k {
            let row: [__m512d; VECTORS] =
                std::array::from_fn(|v| _mm512_loadu_pd(b.add(v * LANES)));
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = _mm512_set1_pd(*a[r / 4].wrapping_add((r % 4) * t.stride));
                for (acc, &b) in acc.iter_mut().zip(&row) {
                    *acc = _mm512_fnmadd_pd(x, b, *acc);
                }
            }
            a = a.map(|a| a.wrapping_add(1));
            b = b.add(PANEL);
        }
        for (r, acc) in acc.iter().enumerate() {
            for (v, &acc) in acc.iter().enumerate() {
                _mm512_storeu_pd(t.c.add(r * t.stride + v * LANES), acc);
            }
        }
    }
}
