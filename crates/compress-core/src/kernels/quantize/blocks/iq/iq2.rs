//! `IQ2_XXS`, `IQ2_XS` and `IQ2_S`: patterns of 8 magnitudes out of three.
//!
//! # References
//! ggml, `dequantize_row_iq2_xxs`, `dequantize_row_iq2_xs` and `dequantize_row_iq2_s`.

use super::super::bytes::read;
use super::{even_signs, grids, short, signed, word};
use crate::kernels::half;

/// Blocks of `IQ2_XXS`.
#[inline(always)]
pub(in super::super) fn dequantize_xxs(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<256, 66>(bytes, values) {
        let d = half::read(block[0], block[1]);
        for (i, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let at = 2 + 8 * i;
            let signs = word(block, at + 4);
            let scale = d * (0.5 + (signs >> 28) as f32) * 0.25;
            for (j, x) in x.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                let grid = grids::iq2_xxs(block[at + j].into());
                signed(x, scale, grid, even_signs(signs >> (7 * j)));
            }
        }
    }
}

/// Blocks of `IQ2_XS`.
#[inline(always)]
pub(in super::super) fn dequantize_xs(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<256, 74>(bytes, values) {
        let d = half::read(block[0], block[1]);
        for (i, x) in x.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let bits = short(block, 2 + 2 * i);
            let scale = scale(d, &block[66..], i);
            signed(
                x,
                scale,
                grids::iq2_xs(bits.into()),
                even_signs((bits >> 9).into()),
            );
        }
    }
}

/// Blocks of `IQ2_S`.
#[inline(always)]
pub(in super::super) fn dequantize_s(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<256, 82>(bytes, values) {
        let d = half::read(block[0], block[1]);
        for (i, x) in x.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let high = block[66 + i / 4] >> (i % 4 * 2) & 3;
            let entry = usize::from(block[2 + i]) | usize::from(high) << 8;
            signed(
                x,
                scale(d, &block[74..], i),
                grids::iq2_s(entry),
                block[34 + i],
            );
        }
    }
}

/// The scale of the values from `8·i`: four bits for each 16 values.
#[inline(always)]
fn scale(d: f32, scales: &[u8], i: usize) -> f32 {
    let scale = scales[i / 4] >> (i / 2 % 2 * 4) & 15;
    d * (0.5 + f32::from(scale)) * 0.25
}
