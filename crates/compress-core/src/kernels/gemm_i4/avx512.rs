//! AVX-512 with VNNI: 16 outputs in a vector, two panels side by side.
//!
//! A block of 32 k of two panels takes 16 registers of codes, unpacked once for all rows of a
//! tile. A row takes 8 broadcasts of four activations, each used twice, and 16 multiplications;
//! its sums stay in the first cache, as they are touched once in a block.

#![allow(
    clippy::needless_range_loop,
    reason = "rows and vectors index several arrays and pointers at once"
)]

use std::arch::x86_64::*;

use super::activations::TILE_ROWS;
use super::simd::{Simd, Width};
use super::tiles::{Kernel, Runs, Tile, power_of_two};

/// The level.
pub(super) struct Avx512;

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
unsafe fn run<K: Kernel, const V: usize, const R: usize>(tile: &Tile<'_>) {
    // SAFETY: passed on from the caller.
    unsafe { K::run::<Avx512, V, R>(tile) }
}

// SAFETY of all: the level's instructions, and pointers as the trait says.
impl Simd for Avx512 {
    const LANES: usize = 16;
    const FLOAT_ROWS: usize = 4;
    const SIGNED: bool = false;
    type I = __m512i;
    type F = __m512;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        // SAFETY: see above.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_f32(from: *const f32) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, from: __m512) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to, from) }
    }
    #[inline(always)]
    unsafe fn splat(value: i32) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_set1_epi32(value) }
    }
    #[inline(always)]
    unsafe fn splat_f32(value: f32) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn and(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_and_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn or(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_or_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn shift_right(a: __m512i, by: i32) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_srlv_epi32(a, _mm512_set1_epi32(by)) }
    }
    #[inline(always)]
    unsafe fn shift_left(a: __m512i, by: i32) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_sllv_epi32(a, _mm512_set1_epi32(by)) }
    }
    #[inline(always)]
    unsafe fn to_f32(a: __m512i) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_cvtepi32_ps(a) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn fnma(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_fnmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn lookup_bytes(table: *const u8, index: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe {
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.cast()));
            _mm512_shuffle_epi8(table, index)
        }
    }
    #[inline(always)]
    unsafe fn lookup(table: *const f32, index: __m512i) -> __m512 {
        // SAFETY: see above.
        unsafe { _mm512_permutexvar_ps(index, _mm512_loadu_ps(table)) }
    }
    #[inline(always)]
    unsafe fn dot<C: Width, const V: usize>(
        mut sums: [__m512i; V],
        w: &[[__m512i; 4]; V],
        x: *const i8,
    ) -> [__m512i; V] {
        for quad in 0..4 {
            // SAFETY: see above.
            unsafe {
                let x = _mm512_set1_epi32(x.add(4 * quad).cast::<i32>().read_unaligned());
                for v in 0..V {
                    sums[v] = _mm512_dpbusd_epi32(sums[v], w[v][quad], x);
                }
            }
        }
        sums
    }
    #[inline(always)]
    unsafe fn dot_pairs(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_dpwssd_epi32(sum, a, b) }
    }
}

// SAFETY of all: as the trait says.
impl Runs for Avx512 {
    unsafe fn tile<K: Kernel>(tile: &Tile<'_>) {
        // SAFETY: passed on from the caller.
        unsafe {
            match (tile.cols > Avx512::LANES, tile.rows) {
                (false, 1) => run::<K, 1, 1>(tile),
                (false, _) => run::<K, 1, TILE_ROWS>(tile),
                (true, 1) => run::<K, 2, 1>(tile),
                (true, _) => run::<K, 2, TILE_ROWS>(tile),
            }
        }
    }
    unsafe fn short_tiles<K: Kernel>(tile: &Tile<'_>) {
        let mut top = 0;
        while top < tile.rows {
            let rows = power_of_two(tile.rows - top, Avx512::FLOAT_ROWS);
            let part = &tile.part(top, rows);
            // SAFETY: passed on from the caller.
            unsafe {
                match (tile.cols > Avx512::LANES, rows) {
                    (false, 1) => run::<K, 1, 1>(part),
                    (false, 2) => run::<K, 1, 2>(part),
                    (false, _) => run::<K, 1, { Avx512::FLOAT_ROWS }>(part),
                    (true, 1) => run::<K, 2, 1>(part),
                    (true, 2) => run::<K, 2, 2>(part),
                    (true, _) => run::<K, 2, { Avx512::FLOAT_ROWS }>(part),
                }
            }
            top += rows;
        }
    }
}
