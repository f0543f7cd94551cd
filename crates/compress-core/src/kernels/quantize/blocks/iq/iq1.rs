//! `IQ1_S` and `IQ1_M`: patterns of −1, 0 and 1, all of a pattern shifted by an eighth.
//!
//! # References
//! ggml, `dequantize_row_iq1_s` and `dequantize_row_iq1_m`.

use super::super::bytes::read;
use super::{grids, short};
use crate::kernels::half;

/// What a pattern is shifted by, up or down.
const SHIFT: f32 = 0.125;

/// Blocks of `IQ1_S`.
#[inline(always)]
pub(in super::super) fn dequantize_s(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<256, 50>(bytes, values) {
        let d = half::read(block[0], block[1]);
        for (i, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let high = short(block, 34 + 2 * i);
            let scale = d * f32::from(2 * (high >> 12 & 7) + 1);
            for (j, x) in x.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                let entry =
                    usize::from(block[2 + 4 * i + j]) | usize::from(high >> (3 * j) & 7) << 8;
                shifted(x, scale, grids::iq1(entry), high & 0x8000 != 0);
            }
        }
    }
}

/// Blocks of `IQ1_M`. The block's scale has its 16 bits in the top four of four words.
#[inline(always)]
pub(in super::super) fn dequantize_m(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<256, 56>(bytes, values) {
        let d = half::to_f32(scale_of_m(block));
        for (i, x) in x.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let scales = short(block, 48 + i / 8 * 2);
            let scale = d * f32::from(2 * (scales >> (i / 2 % 4 * 3) & 7) + 1);
            let high = block[32 + i / 2] >> (i % 2 * 4);
            let entry = usize::from(block[i]) | usize::from(high & 7) << 8;
            shifted(x, scale, grids::iq1(entry), high & 8 != 0);
        }
    }
}

/// The scale of a block of `IQ1_M` in half precision.
pub(in super::super) fn scale_of_m(block: &[u8]) -> u16 {
    (0..4).fold(0, |d, i| d | short(block, 48 + 2 * i) >> 12 << (4 * i))
}

#[inline(always)]
fn shifted(x: &mut [f32; 8], scale: f32, grid: [f32; 8], down: bool) {
    let shift = if down { -SHIFT } else { SHIFT };
    for (x, grid) in x.iter_mut().zip(grid) {
        *x = scale * (grid + shift);
    }
}
