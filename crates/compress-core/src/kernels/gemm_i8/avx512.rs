//! AVX-512 with VNNI: a register tile of 14 rows by 32 columns.
//!
//! `vpdpbusd` multiplies 64 unsigned codes by 64 signed weights and adds each four products to
//! one of 16 sums, without saturation. 28 registers hold the tile. A step of four k takes 28 of
//! these and 16 loads, of which a row's four codes are broadcast. With few rows the sums of one
//! tile would wait for each other, so each is split in chains over k; integers add up to the
//! same in any order.

use std::arch::x86_64::*;

use super::pack::{PANEL, QUAD};
use super::tile::Tile;
use crate::kernels::lines::LINE;

/// The most rows of a tile.
pub(super) const ROWS: usize = 14;

/// See [`Level::multiply`](super::dispatch::Level::multiply).
///
/// # Safety
/// The processor has AVX-512 F and VNNI, and the tile is as [`Tile`] says.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) unsafe fn multiply(t: &mut Tile<'_>) {
    // SAFETY: passed on from the caller; the tile's height is the one matched.
    unsafe {
        match t.rows {
            1 => one_by_one(t),
            2 => panels::<2, 4>(t),
            3 => panels::<3, 2>(t),
            4 => panels::<4, 2>(t),
            5 => panels::<5, 1>(t),
            6 => panels::<6, 1>(t),
            7 => panels::<7, 1>(t),
            8 => panels::<8, 1>(t),
            9 => panels::<9, 1>(t),
            10 => panels::<10, 1>(t),
            11 => panels::<11, 1>(t),
            12 => panels::<12, 1>(t),
            13 => panels::<13, 1>(t),
            14 => panels::<14, 1>(t),
            _ => unreachable!("a tile has 1 to 14 rows"),
        }
    }
}

/// A single row, panel by panel: reading one stream of memory is faster than reading two.
///
/// # Safety
/// As [`multiply`]; the tile has one row.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn one_by_one(t: &mut Tile<'_>) {
    for panel in 0..t.panels {
        // SAFETY: passed on from the caller; the first panel is one that the tile has.
        unsafe { tile::<1, 1, 8>(t, panel) };
    }
}

/// # Safety
/// As [`multiply`]; the tile has `R` rows.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn panels<const R: usize, const CHAINS: usize>(t: &mut Tile<'_>) {
    // SAFETY: passed on from the caller.
    unsafe {
        if t.panels == 2 {
            tile::<R, 2, CHAINS>(t, 0)
        } else {
            tile::<R, 1, CHAINS>(t, 0)
        }
    }
}

/// # Safety
/// As [`multiply`]; the tile has `R` rows and `V` panels.
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn tile<const R: usize, const V: usize, const CHAINS: usize>(
    t: &mut Tile<'_>,
    first: usize,
) {
    let mut chains = [[[_mm512_setzero_si512(); V]; R]; CHAINS];
    let quads = t.k.div_ceil(QUAD);
    // SAFETY: rows of A and of the panels can be read up to a multiple of 64, so every four k
    // that have begun are there.
    unsafe {
        for quad in (0..quads / CHAINS).map(|i| i * CHAINS) {
            for (chain, sums) in chains.iter_mut().enumerate() {
                step(t, first, quad + chain, sums);
            }
        }
        for quad in quads / CHAINS * CHAINS..quads {
            step(t, first, quad, &mut chains[0]);
        }
    }
    for r in 0..R {
        for v in 0..V {
            let start = chains[0][r][v];
            let sum = chains[1..]
                .iter()
                .fold(start, |sum, chain| _mm512_add_epi32(sum, chain[r][v]));
            let to = &mut t.sums.0[r][(first + v) * PANEL..][..PANEL];
            // SAFETY: there are 16 elements.
            unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), sum) };
        }
    }
}

/// # Safety
/// As [`multiply`]; the tile has `R` rows and `V` panels, and its rows reach to `4·quad + 4`.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn step<const R: usize, const V: usize>(
    t: &Tile<'_>,
    first: usize,
    quad: usize,
    sums: &mut [[__m512i; V]; R],
) {
    // SAFETY: passed on from the caller.
    unsafe {
        let b: [__m512i; V] =
            std::array::from_fn(|v| _mm512_loadu_si512(t.b[first + v].add(quad * LINE).cast()));
        for (r, sums) in sums.iter_mut().enumerate() {
            let a = t.a.add(r * t.a_stride + quad * QUAD).cast::<i32>();
            let a = _mm512_set1_epi32(a.read_unaligned());
            for (sum, &b) in sums.iter_mut().zip(&b) {
                *sum = _mm512_dpbusd_epi32(*sum, a, b);
            }
        }
    }
}
