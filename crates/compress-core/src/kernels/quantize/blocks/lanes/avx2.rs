//! Two vectors of AVX2.

use std::arch::x86_64::*;

use super::{Codebook, LANES, Lanes};

/// Made only by functions that are compiled for AVX2 and FMA.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2(__m256, __m256);

// SAFETY, of all blocks below: the type is named only in `dispatch::avx2`, which runs where the
// processor has AVX2 and FMA, and into which all this is inlined; loads and stores are of the
// halves of arrays.
#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "one reason serves them all"
)]
impl Lanes for Avx2 {
    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        unsafe {
            Avx2(
                _mm256_loadu_ps(x.as_ptr()),
                _mm256_loadu_ps(x.as_ptr().add(LANES / 2)),
            )
        }
    }
    #[inline(always)]
    fn store(self, x: &mut [f32; LANES]) {
        unsafe {
            _mm256_storeu_ps(x.as_mut_ptr(), self.0);
            _mm256_storeu_ps(x.as_mut_ptr().add(LANES / 2), self.1);
        }
    }
    #[inline(always)]
    fn all(x: f32) -> Self {
        unsafe { Avx2(_mm256_set1_ps(x), _mm256_set1_ps(x)) }
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        unsafe {
            Avx2(
                _mm256_add_ps(self.0, other.0),
                _mm256_add_ps(self.1, other.1),
            )
        }
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        unsafe {
            Avx2(
                _mm256_sub_ps(self.0, other.0),
                _mm256_sub_ps(self.1, other.1),
            )
        }
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        unsafe {
            Avx2(
                _mm256_mul_ps(self.0, other.0),
                _mm256_mul_ps(self.1, other.1),
            )
        }
    }
    #[inline(always)]
    fn over(self, other: Self) -> Self {
        unsafe {
            Avx2(
                _mm256_div_ps(self.0, other.0),
                _mm256_div_ps(self.1, other.1),
            )
        }
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        unsafe {
            Avx2(
                _mm256_fmadd_ps(self.0, factor.0, term.0),
                _mm256_fmadd_ps(self.1, factor.1, term.1),
            )
        }
    }
    #[inline(always)]
    fn magnitude(self) -> Self {
        let half = |x| unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), x) };
        Avx2(half(self.0), half(self.1))
    }
    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        unsafe {
            Avx2(
                _mm256_max_ps(self.0, other.0),
                _mm256_max_ps(self.1, other.1),
            )
        }
    }
    #[inline(always)]
    fn at_most(self, other: Self) -> Self {
        unsafe {
            Avx2(
                _mm256_min_ps(self.0, other.0),
                _mm256_min_ps(self.1, other.1),
            )
        }
    }
    #[inline(always)]
    fn if_positive(self, yes: Self, no: Self) -> Self {
        let half = |x, yes, no| unsafe {
            let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(x, _mm256_setzero_ps());
            _mm256_blendv_ps(no, yes, positive)
        };
        Avx2(half(self.0, yes.0, no.0), half(self.1, yes.1, no.1))
    }
    #[inline(always)]
    fn truncate(self) -> Self {
        const TOWARDS_ZERO: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
        unsafe {
            Avx2(
                _mm256_round_ps::<TOWARDS_ZERO>(self.0),
                _mm256_round_ps::<TOWARDS_ZERO>(self.1),
            )
        }
    }
    #[inline(always)]
    fn nearest_of(self, book: &Codebook) -> Self {
        let nearest = |x| look_up(x, book, &book.levels);
        Avx2(nearest(self.0), nearest(self.1))
    }
    #[inline(always)]
    fn code_of(self, book: &Codebook) -> Self {
        let code = |x| look_up(x, book, &book.codes);
        Avx2(code(self.0), code(self.1))
    }
    #[inline(always)]
    fn to_halves(self) -> [u16; LANES] {
        const TO_NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT;
        let mut halves = [0; LANES];
        unsafe {
            let (first, second) = (
                _mm256_cvtps_ph::<TO_NEAREST>(self.0),
                _mm256_cvtps_ph::<TO_NEAREST>(self.1),
            );
            _mm_storeu_si128(halves.as_mut_ptr().cast(), first);
            _mm_storeu_si128(halves.as_mut_ptr().add(LANES / 2).cast(), second);
        }
        halves
    }
    #[inline(always)]
    fn to_bytes(pairs: &[Self; 8]) -> [[u8; 16]; LANES] {
        let (mut first, mut second) = ([pairs[0].0; 4], [pairs[0].1; 4]);
        for i in 0..4 {
            let (low, high) = (pairs[2 * i], pairs[2 * i + 1]);
            (first[i], second[i]) = (word(low.0, high.0), word(low.1, high.1));
        }
        let mut bytes = [[0; 16]; LANES];
        for (i, words) in [first, second].into_iter().enumerate() {
            let [a, b, c, d] = transpose_halves(words);
            let ((ab, ab_next), (cd, cd_next)) = (exchange_halves(a, b), exchange_halves(c, d));
            for (j, two) in [ab, cd, ab_next, cd_next].into_iter().enumerate() {
                let at = 8 * i + 2 * j;
                let bytes = &mut bytes[at..at + 2];
                unsafe { _mm256_storeu_ps(bytes.as_mut_ptr().cast(), two) };
            }
        }
        bytes
    }
    #[inline(always)]
    fn transpose(rows: &mut [Self; LANES]) {
        let mut squares = [[rows[0].0; 8]; 4];
        for i in 0..8 {
            // The upper right square comes to the lower left, and that to the upper right.
            (squares[0][i], squares[2][i]) = (rows[i].0, rows[i].1);
            (squares[1][i], squares[3][i]) = (rows[i + 8].0, rows[i + 8].1);
        }
        for square in &mut squares {
            transpose_eight(square);
        }
        for i in 0..8 {
            rows[i] = Avx2(squares[0][i], squares[1][i]);
            rows[i + 8] = Avx2(squares[2][i], squares[3][i]);
        }
    }
}

/// `low + 2¹⁶·high`, as the bits of floats.
#[inline(always)]
fn word(low: __m256, high: __m256) -> __m256 {
    // SAFETY: as for the blocks above.
    unsafe {
        let (low, high) = (_mm256_cvttps_epi32(low), _mm256_cvttps_epi32(high));
        _mm256_castsi256_ps(_mm256_or_si256(low, _mm256_slli_epi32::<16>(high)))
    }
}

#[inline(always)]
fn transpose_eight(rows: &mut [__m256; 8]) {
    // Squares of four by four within the halves of vectors, and then the halves.
    let upper = transpose_halves([rows[0], rows[1], rows[2], rows[3]]);
    let lower = transpose_halves([rows[4], rows[5], rows[6], rows[7]]);
    for i in 0..4 {
        (rows[i], rows[i + 4]) = exchange_halves(upper[i], lower[i]);
    }
}

#[inline(always)]
fn transpose_halves([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
    // SAFETY: as for the blocks above.
    unsafe {
        let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
        let (ab, cd) = (_mm256_castps_pd(ab), _mm256_castps_pd(cd));
        let (first, second) = (_mm256_unpacklo_pd(ab, cd), _mm256_unpackhi_pd(ab, cd));
        let (first, second) = (_mm256_castpd_ps(first), _mm256_castpd_ps(second));
        let (ab, cd) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
        let (ab, cd) = (_mm256_castps_pd(ab), _mm256_castps_pd(cd));
        let (third, fourth) = (_mm256_unpacklo_pd(ab, cd), _mm256_unpackhi_pd(ab, cd));
        let (third, fourth) = (_mm256_castpd_ps(third), _mm256_castpd_ps(fourth));
        [first, second, third, fourth]
    }
}

/// The first halves of both, and the second ones.
#[inline(always)]
fn exchange_halves(a: __m256, b: __m256) -> (__m256, __m256) {
    // SAFETY: as for the blocks above.
    unsafe {
        (
            _mm256_permute2f128_ps::<0x20>(a, b),
            _mm256_permute2f128_ps::<0x31>(a, b),
        )
    }
}

/// What `table` has at the place of the nearest level.
#[inline(always)]
fn look_up(x: __m256, book: &Codebook, table: &[f32; LANES]) -> __m256 {
    // SAFETY: as for the blocks above.
    unsafe {
        let quarters = _mm256_castps128_ps256(_mm_loadu_ps(book.quarters.as_ptr()));
        let eighths = _mm256_castps128_ps256(_mm_loadu_ps(book.eighths.as_ptr()));
        let sixteenths = _mm256_loadu_ps(book.sixteenths.as_ptr());
        let upper = _mm256_cmp_ps::<_CMP_GE_OQ>(x, _mm256_set1_ps(book.half));
        let at = _mm256_srli_epi32::<31>(_mm256_castps_si256(upper));
        let at = half_further(x, at, quarters);
        let at = half_further(x, at, eighths);
        let at = half_further(x, at, sixteenths);
        // A lookup takes the low three bits of a place alone.
        let low = _mm256_loadu_ps(table.as_ptr());
        let high = _mm256_loadu_ps(table.as_ptr().add(LANES / 2));
        let low = _mm256_permutevar8x32_ps(low, at);
        let high = _mm256_permutevar8x32_ps(high, at);
        _mm256_blendv_ps(low, high, upper)
    }
}

/// One step of a search by halves.
#[inline(always)]
fn half_further(x: __m256, at: __m256i, middles: __m256) -> __m256i {
    // SAFETY: as for the blocks above.
    unsafe {
        let middle = _mm256_permutevar8x32_ps(middles, at);
        // All bits of a lane are one, which is −1, where the middle is reached.
        let up = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GE_OQ>(x, middle));
        _mm256_sub_epi32(_mm256_add_epi32(at, at), up)
    }
}
