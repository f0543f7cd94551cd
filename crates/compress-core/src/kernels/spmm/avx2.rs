//! AVX2: vectors of 8, and as many rows at a time as make 8 chains.

use std::arch::x86_64::*;

use super::lanes::Lanes;
use super::width::tiles;

tiles!(__m256, "avx2,fma", one: 8 by 1, two: 4 by 2, four: 2 by 4);

impl Lanes for __m256 {
    const COUNT: usize = 8;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the processor has AVX2 and FMA, by the contract of the trait; so too below.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as above, and the pointer is valid by the same contract.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: as above.
        unsafe { _mm256_fmadd_ps(self, b, c) }
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: as above.
        unsafe {
            let kept = _mm256_cmp_ps::<_CMP_NLE_UQ>(self, _mm256_setzero_ps());
            _mm256_and_ps(kept, self)
        }
    }
    #[inline(always)]
    unsafe fn fours(from: *const f32) -> Self {
        // SAFETY: as above.
        unsafe { _mm256_broadcast_ps(&_mm_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn pick(self, places: u32, first: usize) -> Self {
        // SAFETY: as above.
        unsafe {
            let shifts = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
            let shifts = _mm256_add_epi32(shifts, _mm256_set1_epi32(2 * first as i32));
            let places = _mm256_srlv_epi32(_mm256_set1_epi32(places as i32), shifts);
            _mm256_permutevar_ps(self, places)
        }
    }
}
