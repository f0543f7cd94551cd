//! AVX-512: the inputs of a slot gathered into a vector.

use std::arch::x86_64::*;

use super::layout::{CodeRows, LANES};

/// Weights that are not zero, slot by slot, as in `reference.rs`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn scattered(rows: &CodeRows, x: &[f32], relu: bool, y: &mut [f32]) {
    assert!(x.len() == rows.width && y.len() == LANES * rows.slots.len());
    assert!(y.len() == rows.bias.len() && rows.codes.len() == rows.inputs.len());
    let (mut code, mut input) = (rows.codes.as_ptr(), rows.inputs.as_ptr());
    let mut counts = rows.counts.iter();
    let (bias, _) = rows.bias.as_chunks::<LANES>();
    let (y, _) = y.as_chunks_mut::<LANES>();
    for ((bias, y), &slots) in bias.iter().zip(y).zip(&rows.slots) {
        // SAFETY: 16 floats.
        let mut sums = unsafe { _mm512_loadu_ps(bias.as_ptr()) };
        for &count in counts.by_ref().take(slots) {
            let live = (u32::from(u16::MAX) >> (LANES as u32 - u32::from(count))) as __mmask16;
            // SAFETY: as built, counts are of 1 to 16 and add up to the number of codes, and each
            // input is below the width, which is the length of `x`. What is not live is not read.
            unsafe {
                let codes = _mm_maskz_loadu_epi8(live, code);
                let places = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(live, input.cast()));
                let zero = _mm512_setzero_ps();
                let x = _mm512_mask_i32gather_ps::<4>(zero, live, places, x.as_ptr());
                let codes = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes));
                sums = _mm512_mask3_fmadd_ps(codes, x, sums, live);
            }
            (code, input) = (
                code.wrapping_add(count.into()),
                input.wrapping_add(count.into()),
            );
        }
        if relu {
            let above = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(sums, _mm512_setzero_ps());
            sums = _mm512_maskz_mov_ps(above, sums);
        }
        // SAFETY: 16 floats.
        unsafe { _mm512_storeu_ps(y.as_mut_ptr(), sums) };
    }
}
