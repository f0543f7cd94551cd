//! AVX2 with FMA and F16C: 8 outputs in a vector, so a panel is done in two parts.
//!
//! Products of codes without sign and signed activations are summed in pairs to 16 bits, which
//! saturates: four bits never get there (8 pairs of at most 15·127 twice fit), nor do six in two
//! pairs; eight bits would, and so they become a magnitude, with the sign given to the
//! activation, where 2·128·127 fits.

#![allow(
    clippy::needless_range_loop,
    reason = "rows and vectors index several arrays and pointers at once"
)]

use std::arch::x86_64::*;

use super::activations::TILE_ROWS;
use super::panels::PANEL;
use super::simd::{Simd, Width};
use super::tiles::{Kernel, Runs, Tile, power_of_two};

/// The level.
pub(super) struct Avx2;

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn run<K: Kernel, const R: usize>(tile: &Tile<'_>) {
    // SAFETY: passed on from the caller.
    unsafe { K::run::<Avx2, 1, R>(tile) }
}

// SAFETY of all: the level's instructions, and pointers as the trait says.
impl Simd for Avx2 {
    const LANES: usize = 8;
    const FLOAT_ROWS: usize = 8;
    const SIGNED: bool = true;
    type I = __m256i;
    type F = __m256;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        // SAFETY: see above.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_f32(from: *const f32) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, from: __m256) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_ps(to, from) }
    }
    #[inline(always)]
    unsafe fn splat(value: i32) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_set1_epi32(value) }
    }
    #[inline(always)]
    unsafe fn splat_f32(value: f32) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn and(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_and_si256(a, b) }
    }
    #[inline(always)]
    unsafe fn or(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    unsafe fn shift_right(a: __m256i, by: i32) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_srlv_epi32(a, _mm256_set1_epi32(by)) }
    }
    #[inline(always)]
    unsafe fn shift_left(a: __m256i, by: i32) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_sllv_epi32(a, _mm256_set1_epi32(by)) }
    }
    #[inline(always)]
    unsafe fn to_f32(a: __m256i) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_cvtepi32_ps(a) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn fnma(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_fnmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn lookup_bytes(table: *const u8, index: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.cast()));
            _mm256_shuffle_epi8(table, index)
        }
    }
    #[inline(always)]
    unsafe fn lookup(table: *const f32, index: __m256i) -> __m256 {
        // SAFETY: see above.
        unsafe {
            let low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), index);
            let high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table.add(8)), index);
            let is_high = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index));
            _mm256_blendv_ps(low, high, is_high)
        }
    }
    #[inline(always)]
    unsafe fn dot<C: Width, const V: usize>(
        mut sums: [__m256i; V],
        w: &[[__m256i; 4]; V],
        x: *const i8,
    ) -> [__m256i; V] {
        for v in 0..V {
            // SAFETY: see above.
            sums[v] = unsafe { _mm256_add_epi32(sums[v], dot::<C>(&w[v], x)) };
        }
        sums
    }
    #[inline(always)]
    unsafe fn dot_pairs(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)) }
    }
}

// SAFETY of all: as the trait says.
impl Runs for Avx2 {
    unsafe fn tile<K: Kernel>(tile: &Tile<'_>) {
        // SAFETY: passed on from the caller.
        unsafe {
            for lane in (0..tile.cols).step_by(Avx2::LANES) {
                let tile = &tile.panel(lane / PANEL).at_lane(lane % PANEL);
                match tile.rows {
                    1 => run::<K, 1>(tile),
                    _ => run::<K, TILE_ROWS>(tile),
                }
            }
        }
    }
    unsafe fn short_tiles<K: Kernel>(tile: &Tile<'_>) {
        for lane in (0..tile.cols).step_by(Avx2::LANES) {
            let tile = tile.panel(lane / PANEL).at_lane(lane % PANEL);
            let mut top = 0;
            while top < tile.rows {
                let rows = power_of_two(tile.rows - top, Avx2::FLOAT_ROWS);
                let part = &tile.part(top, rows);
                // SAFETY: passed on from the caller.
                unsafe {
                    match rows {
                        1 => run::<K, 1>(part),
                        2 => run::<K, 2>(part),
                        4 => run::<K, 4>(part),
                        _ => run::<K, { Avx2::FLOAT_ROWS }>(part),
                    }
                }
                top += rows;
            }
        }
    }
}

/// `Σ w·x` over 4 quads.
///
/// # Safety
/// The processor has the level, and `x` has 16 activations.
#[inline(always)]
unsafe fn dot<C: Width>(w: &[__m256i; 4], x: *const i8) -> __m256i {
    // SAFETY: by the contract.
    unsafe {
        let splat = |quad| _mm256_set1_epi32(x.add(4 * quad).cast::<i32>().read_unaligned());
        let pairs = |quad: usize| {
            if C::BITS == 8 {
                let w = _mm256_xor_si256(w[quad], _mm256_set1_epi8(-128));
                let x = _mm256_sign_epi8(splat(quad), w);
                _mm256_maddubs_epi16(_mm256_abs_epi8(w), x)
            } else {
                _mm256_maddubs_epi16(w[quad], splat(quad))
            }
        };
        let quads = |pairs| _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
        let [a, b, c, d] = [pairs(0), pairs(1), pairs(2), pairs(3)];
        match C::BITS {
            4 => quads(_mm256_add_epi16(
                _mm256_add_epi16(a, b),
                _mm256_add_epi16(c, d),
            )),
            6 => _mm256_add_epi32(quads(_mm256_add_epi16(a, b)), quads(_mm256_add_epi16(c, d))),
            _ => _mm256_add_epi32(
                _mm256_add_epi32(quads(a), quads(b)),
                _mm256_add_epi32(quads(c), quads(d)),
            ),
        }
    }
}
