//! `Q6_K`, to be read only.
//!
//! Each half of a block holds four runs of 32 values: the low four bits of runs 0 and 2 share
//! bytes, and those of runs 1 and 3; the upper two bits of all four share bytes.
//!
//! # References
//! ggml, `dequantize_row_q6_K`.

use super::bytes::read;
use crate::kernels::half;

const LEN: usize = 256;
const BYTES: usize = 210;

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<LEN, BYTES>(bytes, values) {
        let d = half::read(block[208], block[209]);
        for (i, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (part, run) = (i / 4, i % 4);
            let low = &block[64 * part + 32 * (run % 2)..][..32];
            let high = &block[128 + 32 * part..][..32];
            let (low_shift, high_shift) = (run / 2 * 4, run * 2);
            // A scale for each 16 values.
            let scale = |j: usize| d * f32::from(block[192 + 2 * i + j] as i8);
            let scales = [scale(0), scale(1)];
            for (j, x) in x.iter_mut().enumerate() {
                let q = (low[j] >> low_shift) & 15 | ((high[j] >> high_shift) & 3) << 4;
                *x = scales[j / 16] * f32::from(q as i8 - 32);
            }
        }
    }
}
