//! `Q3_K`: for each group of 16 a scale in 6 bits, which is a multiple of the block's.
//!
//! The low two bits of the codes lie as those of `Q2_K`. Bit `i` of byte `j` of `qh` is the upper
//! bit of value `32·i + j`. The scales are stored 32 higher: four bits of each in eight bytes, then
//! two bits of each in four.
//!
//! # References
//! ggml, `dequantize_row_q3_K`.

use super::bytes::{read, two_bits};
use crate::kernels::half;

const LEN: usize = 256;
const BYTES: usize = 110;

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<LEN, BYTES>(bytes, values) {
        let d = half::read(block[108], block[109]);
        for (i, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let mut codes = two_bits(&block[32..96], i);
            for (code, high) in codes.iter_mut().zip(&block[..32]) {
                *code |= (high >> i & 1) << 2;
            }
            let groups = x.as_chunks_mut::<16>().0.iter_mut();
            for (j, (x, codes)) in groups.zip(codes.as_chunks::<16>().0).enumerate() {
                let scale = d * f32::from(scale_of(&block[96..108], 2 * i + j));
                for (x, &q) in x.iter_mut().zip(codes) {
                    *x = scale * f32::from(q as i8 - 4);
                }
            }
        }
    }
}

/// From −32 to 31.
#[inline(always)]
fn scale_of(s: &[u8], j: usize) -> i8 {
    let low = s[j % 8] >> (j / 8 * 4) & 15;
    let high = s[8 + j % 4] >> (j / 4 * 2) & 3;
    (low | high << 4) as i8 - 32
}
