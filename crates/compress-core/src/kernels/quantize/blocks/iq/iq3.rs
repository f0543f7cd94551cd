//! `IQ3_XXS` and `IQ3_S`: patterns of 4 magnitudes out of eight.
//!
//! # References
//! ggml, `dequantize_row_iq3_xxs` and `dequantize_row_iq3_s`.

use super::super::bytes::read;
use super::{even_signs, grids, signed, word};
use crate::kernels::half;

/// Blocks of `IQ3_XXS`.
#[inline(always)]
pub(in super::super) fn dequantize_xxs(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<256, 98>(bytes, values) {
        let d = half::read(block[0], block[1]);
        for (i, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let signs = word(block, 66 + 4 * i);
            let scale = d * (0.5 + (signs >> 28) as f32) * 0.5;
            for (j, x) in x.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                let at = 2 + 8 * i + 2 * j;
                let grid = grids::iq3_xxs([block[at], block[at + 1]].map(usize::from));
                signed(x, scale, grid, even_signs(signs >> (7 * j)));
            }
        }
    }
}

/// Blocks of `IQ3_S`.
#[inline(always)]
pub(in super::super) fn dequantize_s(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<256, 110>(bytes, values) {
        let d = half::read(block[0], block[1]);
        for (i, x) in x.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let scale = block[106 + i / 8] >> (i / 4 % 2 * 4) & 15;
            let entry = |j: usize| {
                let high = block[66 + i / 4] >> (i % 4 * 2 + j) & 1;
                usize::from(block[2 + 2 * i + j]) | usize::from(high) << 8
            };
            let grid = grids::iq3_s([entry(0), entry(1)]);
            signed(x, d * f32::from(1 + 2 * scale), grid, block[74 + i]);
        }
    }
}
