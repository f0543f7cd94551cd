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
    fn magnitude(self) -> Self {
        Avx512(unsafe { _mm512_abs_ps(self.0) })
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
    fn truncate(self) -> Self {
        const TOWARDS_ZERO: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
        Avx512(unsafe { _mm512_roundscale_ps::<TOWARDS_ZERO>(self.0) })
    }
    #[inline(always)]
    fn nearest_of(self, book: &Codebook) -> Self {
        look_up(self.0, book, &book.levels)
    }
    #[inline(always)]
    fn code_of(self, book: &Codebook) -> Self {
        look_up(self.0, book, &book.codes)
    }
    #[inline(always)]
    fn to_halves(self) -> [u16; LANES] {
        const TO_NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        let mut halves = [0; LANES];
        unsafe {
            let all = _mm512_cvtps_ph::<TO_NEAREST>(self.0);
            _mm256_storeu_si256(halves.as_mut_ptr().cast(), all);
        }
        halves
    }
    #[inline(always)]
    fn to_bytes(pairs: &[Self; 8]) -> [[u8; 16]; LANES] {
        let mut words = [pairs[0]; 4];
        for (i, word) in words.iter_mut().enumerate() {
            let (low, high) = (pairs[2 * i].0, pairs[2 * i + 1].0);
            word.0 = unsafe {
                let (low, high) = (_mm512_cvttps_epi32(low), _mm512_cvttps_epi32(high));
                _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32::<16>(high)))
            };
        }
        transpose_quarters(&mut words);
        let lanes = exchange_quarters([words[0].0, words[1].0, words[2].0, words[3].0]);
        let mut bytes = [[0; 16]; LANES];
        for (i, lanes) in lanes.into_iter().enumerate() {
            let four = &mut bytes[4 * i..4 * i + 4];
            unsafe { _mm512_storeu_ps(four.as_mut_ptr().cast(), lanes) };
        }
        bytes
    }
    #[inline(always)]
    fn transpose(rows: &mut [Self; LANES]) {
        // Squares of four by four within the quarters of vectors, and then the quarters.
        for rows in rows.as_chunks_mut().0 {
            transpose_quarters(rows);
        }
        for i in 0..4 {
            let quarters = [rows[i].0, rows[i + 4].0, rows[i + 8].0, rows[i + 12].0];
            let columns = exchange_quarters(quarters);
            for j in 0..4 {
                rows[i + 4 * j].0 = columns[j];
            }
        }
    }
}

#[inline(always)]
fn transpose_quarters(rows: &mut [Avx512; 4]) {
    let [a, b, c, d] = *rows;
    // SAFETY: as for the blocks above.
    unsafe {
        let low = |a, b| _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
        let high = |a, b| _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
        let (ab, cd) = (low(a.0, b.0), low(c.0, d.0));
        rows[0].0 = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
        rows[1].0 = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
        let (ab, cd) = (high(a.0, b.0), high(c.0, d.0));
        rows[2].0 = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
        rows[3].0 = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
    }
}

#[inline(always)]
fn exchange_quarters([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    const EVEN: i32 = 0x88;
    const ODD: i32 = 0xdd;
    // SAFETY: as for the blocks above.
    unsafe {
        let (ab, cd) = (
            _mm512_shuffle_f32x4::<EVEN>(a, b),
            _mm512_shuffle_f32x4::<EVEN>(c, d),
        );
        let (first, third) = (
            _mm512_shuffle_f32x4::<EVEN>(ab, cd),
            _mm512_shuffle_f32x4::<ODD>(ab, cd),
        );
        let (ab, cd) = (
            _mm512_shuffle_f32x4::<ODD>(a, b),
            _mm512_shuffle_f32x4::<ODD>(c, d),
        );
        let (second, fourth) = (
            _mm512_shuffle_f32x4::<EVEN>(ab, cd),
            _mm512_shuffle_f32x4::<ODD>(ab, cd),
        );
        [first, second, third, fourth]
    }
}

/// What `table` has at the place of the nearest level.
#[inline(always)]
fn look_up(x: __m512, book: &Codebook, table: &[f32; LANES]) -> Avx512 {
    // SAFETY: as for the blocks above.
    unsafe {
        let quarters = _mm512_castps128_ps512(_mm_loadu_ps(book.quarters.as_ptr()));
        let eighths = _mm512_castps128_ps512(_mm_loadu_ps(book.eighths.as_ptr()));
        let sixteenths = _mm512_castps256_ps512(_mm256_loadu_ps(book.sixteenths.as_ptr()));
        let up = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(x, _mm512_set1_ps(book.half));
        let at = _mm512_maskz_set1_epi32(up, 1);
        let at = half_further(x, at, quarters);
        let at = half_further(x, at, eighths);
        let at = half_further(x, at, sixteenths);
        Avx512(_mm512_permutexvar_ps(at, _mm512_loadu_ps(table.as_ptr())))
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
