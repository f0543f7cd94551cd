//! AVX-512: vectors of 16, and as many rows at a time as make 8 or 16 chains.

use std::arch::x86_64::*;

use super::lanes::Lanes;
use super::width::tiles;

tiles!(__m512, "avx512f", one: 8 by 1, two: 8 by 2, four: 4 by 4);

impl Lanes for __m512 {
    const COUNT: usize = 16;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the processor has AVX-512, by the contract of the trait; so too below.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as above, and the pointer is valid by the same contract.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: as above.
        unsafe { _mm512_fmadd_ps(self, b, c) }
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: as above.
        unsafe {
            let kept = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(self, _mm512_setzero_ps());
            _mm512_maskz_mov_ps(kept, self)
        }
    }
    #[inline(always)]
    unsafe fn fours(from: *const f32) -> Self {
        // SAFETY: as above.
        unsafe { _mm512_broadcast_f32x4(_mm_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn pick(self, places: u32, first: usize) -> Self {
        // SAFETY: as above.
        unsafe {
            let shifts =
                _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let shifts = _mm512_add_epi32(shifts, _mm512_set1_epi32(2 * first as i32));
            let places = _mm512_srlv_epi32(_mm512_set1_epi32(places as i32), shifts);
            _mm512_permutevar_ps(self, places)
        }
    }
}
