//! Groups of four by AVX2: two groups a vector; see the file of AVX-512.

use std::arch::x86_64::*;

/// Values of a vector.
const LANES: usize = 8;

/// All ones where a value is among the `n` first of its group.
#[inline]
#[target_feature(enable = "avx2")]
fn kept(x: __m256i, n: usize) -> __m256i {
    let key = _mm256_and_si256(x, _mm256_set1_epi32(i32::MAX));
    let behind = |lanes: [i32; 4]| {
        let [a, b, c, d] = lanes;
        _mm256_sub_epi32(key, _mm256_setr_epi32(a, b, c, d, a, b, c, d))
    };
    let next = _mm256_shuffle_epi32::<0b00_11_10_01>(key);
    let second = _mm256_shuffle_epi32::<0b01_00_11_10>(key);
    let third = _mm256_shuffle_epi32::<0b10_01_00_11>(key);
    let a = _mm256_cmpgt_epi32(next, behind([0, 0, 0, 1]));
    let b = _mm256_cmpgt_epi32(second, behind([0, 0, 1, 1]));
    let c = _mm256_cmpgt_epi32(third, behind([0, 1, 1, 1]));
    // A comparison that holds counts −1.
    let rank = _mm256_add_epi32(_mm256_add_epi32(a, b), c);
    _mm256_cmpgt_epi32(rank, _mm256_set1_epi32(-(n.min(4) as i32)))
}

/// Marks what stays of whole vectors; how many values these are.
#[target_feature(enable = "avx2")]
pub(super) fn mark(values: &[f32], n: usize, keep: &mut [bool]) -> usize {
    let (values, _) = values.as_chunks::<LANES>();
    let (keep, _) = keep.as_chunks_mut::<LANES>();
    for (values, keep) in values.iter().zip(keep) {
        // SAFETY: an array of 8 values is read, and one of 8 marks written, each of them 0 or 1.
        unsafe {
            let marks = kept(_mm256_loadu_si256(values.as_ptr().cast()), n);
            let low = _mm256_castsi256_si128(marks);
            let words = _mm_packs_epi32(low, _mm256_extracti128_si256::<1>(marks));
            let bytes = _mm_and_si128(_mm_packs_epi16(words, words), _mm_set1_epi8(1));
            _mm_storel_epi64(keep.as_mut_ptr().cast(), bytes);
        }
    }
    values.len() * LANES
}

/// Clears what does not stay of whole vectors; how many values these are.
#[target_feature(enable = "avx2")]
pub(super) fn clear(values: &mut [f32], n: usize) -> usize {
    let (values, _) = values.as_chunks_mut::<LANES>();
    for values in &mut *values {
        // SAFETY: an array of 8 values is read and written.
        unsafe {
            let x = _mm256_loadu_si256(values.as_ptr().cast());
            let x = _mm256_and_si256(kept(x, n), x);
            _mm256_storeu_si256(values.as_mut_ptr().cast(), x);
        }
    }
    values.len() * LANES
}
