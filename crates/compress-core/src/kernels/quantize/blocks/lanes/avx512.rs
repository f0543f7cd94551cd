//! One vector of AVX-512.

use std::arch::x86_64::*;

use super::{Codebook, LANES, Lanes};

/// Made only by functions that are compiled for AVX-512 F.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx512(__m512);

// SAFETY, of all blocks below: the type is named only in `dispatch::avx512`, which runs where the
// processor has AVX-512 F, and into which all this is inlined; loads and stores are of arrays.
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "one reason serves them all"
)]
impl Lanes for Avx512 {
    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        Avx512(unsafe { _mm512_loadu_ps(x.as_ptr()) })
    }
    #[inline(always)]
    fn store(self, x: &mut [f32; LANES]) {
        unsafe { _mm512_storeu_ps(x.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    fn all(x: f32) -> Self {
        Avx512(unsafe { _mm512_set1_ps(x) })
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Avx512(unsafe { _mm512_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Avx512(unsafe { _mm512_sub_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        Avx512(unsafe { _mm512_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn over(self, other: Self) -> Self {
        Avx512(unsafe { _mm512_div_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        Avx512(unsafe { _mm512_fmadd_ps(self.0, factor.0, term.0) })
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Avx512(unsafe { _mm512_sqrt_ps(self.0) })
    }
    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        Avx512(unsafe { _mm512_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn at_most(self, other: Self) -> Self {
        Avx512(unsafe { _mm512_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn if_positive(self, yes: Self, no: Self) -> Self {
        Avx512(unsafe {
            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, _mm512_setzero_ps());
            _mm512_mask_blend_ps(positive, no.0, yes.0)
        })
    }
    #[inline(always)]
    fn nearest_of(self, book: &Codebook) -> Self {
        unsafe {
            let quarters = _mm512_castps128_ps512(_mm_loadu_ps(book.quarters.as_ptr()));
            let eighths = _mm512_castps128_ps512(_mm_loadu_ps(book.eighths.as_ptr()));
            let sixteenths = _mm512_castps256_ps512(_mm256_loadu_ps(book.sixteenths.as_ptr()));
            let up = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(self.0, _mm512_set1_ps(book.half));
            let at = _mm512_maskz_set1_epi32(up, 1);
            let at = half_further(self.0, at, quarters);
            let at = half_further(self.0, at, eighths);
            let at = half_further(self.0, at, sixteenths);
            Avx512(_mm512_permutexvar_ps(
                at,
                _mm512_loadu_ps(book.levels.as_ptr()),
            ))
        }
    }
}

/// One step of a search by halves.
#[inline(always)]
fn half_further(x: __m512, at: __m512i, middles: __m512) -> __m512i {
    // SAFETY: as for the blocks above.
    unsafe {
        let middle = _mm512_permutexvar_ps(at, middles);
        let up = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(x, middle);
        let twice = _mm512_add_epi32(at, at);
        _mm512_mask_add_epi32(twice, up, twice, _mm512_set1_epi32(1))
    }
}
