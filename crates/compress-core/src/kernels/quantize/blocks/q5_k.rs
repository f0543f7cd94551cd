//! `Q5_K`: as `Q4_K`, with codes of 5 bits. Bit `i` of byte `j` of `qh` is the upper bit of value
//! `32·i + j`.
//!
//! # References
//! ggml, `dequantize_row_q5_K`.

use super::bytes::{four_bits, read};
use super::q4_k::scale_and_min;
use crate::kernels::half;

const LEN: usize = 256;
const BYTES: usize = 176;

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<LEN, BYTES>(bytes, values) {
        let (d, dmin) = (
            half::read(block[0], block[1]),
            half::read(block[2], block[3]),
        );
        for (i, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (scale, min) = scale_and_min(&block[4..16], i);
            let (scale, min) = (d * scale, dmin * min);
            let codes = four_bits(&block[48..], i);
            for ((x, low), high) in x.iter_mut().zip(codes).zip(&block[16..48]) {
                let q = low | (high >> i & 1) << 4;
                *x = scale * f32::from(q) - min;
            }
        }
    }
}
