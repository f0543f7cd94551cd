//! The chains of a slice for one column of X at AVX-512: a lane for each row, whose elements of X
//! are gathered.

use std::arch::x86_64::*;

use super::storage::SLICE;

/// Values of a slice that are loaded as floats.
pub(super) trait Value: Copy {
    /// The elements from `from` on in the lanes of `live`; others are not touched.
    ///
    /// # Safety
    /// The processor has AVX-512 F, BW and VL, and the elements can be read.
    unsafe fn load(live: __mmask8, from: *const Self) -> __m256;
}

impl Value for f32 {
    #[inline(always)]
    unsafe fn load(live: __mmask8, from: *const f32) -> __m256 {
        // SAFETY: by the contract; so too below.
        unsafe { _mm256_maskz_loadu_ps(live, from) }
    }
}

impl Value for i8 {
    #[inline(always)]
    unsafe fn load(live: __mmask8, from: *const i8) -> __m256 {
        // SAFETY: as above.
        unsafe {
            let codes = _mm_maskz_loadu_epi8(live.into(), from);
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes))
        }
    }
}

/// As [`chains`](super::column::chains), and the same bits.
///
/// # Safety
/// Every column is below the length of `x`, and the processor has AVX-512 F, BW and VL.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn chains<T: Value>(
    columns: &[u16],
    values: &[T],
    lengths: &[u32; SLICE],
    x: &[f32],
    start: [f32; SLICE],
) -> [f32; SLICE] {
    let entries = lengths.iter().map(|&l| l as usize).sum::<usize>();
    assert!(columns.len() == entries && values.len() == entries);
    assert!(lengths.is_sorted_by(|a, b| a >= b));
    let (mut column, mut value) = (columns.as_ptr(), values.as_ptr());
    // SAFETY: an entry for each lane that is live lies in its slot, and those are the first lanes
    // of the slot, as rows are sorted by length. Columns are elements of X by the contract.
    unsafe {
        let ends = _mm256_loadu_si256(lengths.as_ptr().cast());
        let mut sums = _mm256_loadu_ps(start.as_ptr());
        for slot in 0..lengths[0] {
            let live = _mm256_cmpgt_epu32_mask(ends, _mm256_set1_epi32(slot as i32));
            let places = _mm256_cvtepu16_epi32(_mm_maskz_loadu_epi16(live, column.cast()));
            let zero = _mm256_setzero_ps();
            let x = _mm256_mmask_i32gather_ps::<4>(zero, live, places, x.as_ptr());
            sums = _mm256_mask3_fmadd_ps(T::load(live, value), x, sums, live);
            let count = live.count_ones() as usize;
            (column, value) = (column.wrapping_add(count), value.wrapping_add(count));
        }
        let mut ended = [0.0; SLICE];
        _mm256_storeu_ps(ended.as_mut_ptr(), sums);
        ended
    }
}
