//! Groups of four by AVX-512: four groups a vector, each value against the three others of its
//! group, which a permutation within quarters brings to its place.

use std::arch::x86_64::*;

/// Values of a vector.
const LANES: usize = 16;

/// Which of sixteen values, four groups, are among the `n` first of their group.
#[inline]
#[target_feature(enable = "avx512f")]
fn kept(x: __m512i, n: usize) -> __mmask16 {
    let key = _mm512_and_si512(x, _mm512_set1_epi32(i32::MAX));
    // An equal value beats those behind it: they lose against what is more than one less.
    let behind = |lanes: [i32; 4]| {
        let [a, b, c, d] = lanes;
        _mm512_sub_epi32(key, _mm512_set4_epi32(d, c, b, a))
    };
    let next = _mm512_shuffle_epi32::<0b00_11_10_01>(key);
    let second = _mm512_shuffle_epi32::<0b01_00_11_10>(key);
    let third = _mm512_shuffle_epi32::<0b10_01_00_11>(key);
    // Value i against value i + 1, i + 2 and i + 3 of the four in a ring.
    let a = _mm512_cmpgt_epi32_mask(next, behind([0, 0, 0, 1]));
    let b = _mm512_cmpgt_epi32_mask(second, behind([0, 0, 1, 1]));
    let c = _mm512_cmpgt_epi32_mask(third, behind([0, 1, 1, 1]));
    match n {
        0 => 0,
        1 => !(a | b | c),
        2 => !(a & b | a & c | b & c),
        3 => !(a & b & c),
        _ => !0,
    }
}

/// Marks what stays of whole vectors; how many values these are.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn mark(values: &[f32], n: usize, keep: &mut [bool]) -> usize {
    let (values, _) = values.as_chunks::<LANES>();
    let (keep, _) = keep.as_chunks_mut::<LANES>();
    for (values, keep) in values.iter().zip(keep) {
        // SAFETY: an array of 16 values is read, and one of 16 marks written, each of them 0 or
        // 1.
        unsafe {
            let marks = kept(_mm512_loadu_si512(values.as_ptr().cast()), n);
            let marks = _mm_maskz_set1_epi8(marks, 1);
            _mm_storeu_si128(keep.as_mut_ptr().cast(), marks);
        }
    }
    values.len() * LANES
}

/// Clears what does not stay of whole vectors; how many values these are.
#[target_feature(enable = "avx512f")]
pub(super) fn clear(values: &mut [f32], n: usize) -> usize {
    let (values, _) = values.as_chunks_mut::<LANES>();
    for values in &mut *values {
        // SAFETY: an array of 16 values is read and written.
        unsafe {
            let x = _mm512_loadu_si512(values.as_ptr().cast());
            let x = _mm512_maskz_mov_epi32(kept(x, n), x);
            _mm512_storeu_si512(values.as_mut_ptr().cast(), x);
        }
    }
    values.len() * LANES
}
