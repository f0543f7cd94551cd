//! `Q2_K`: for each group of 16 a scale and a minimum, both in 4 bits.
//!
//! # References
//! ggml, `dequantize_row_q2_K`.

use super::bytes::{read, two_bits};
use crate::kernels::half;

const LEN: usize = 256;
const BYTES: usize = 84;

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<LEN, BYTES>(bytes, values) {
        let d = half::read(block[80], block[81]);
        let dmin = half::read(block[82], block[83]);
        for (i, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let codes = two_bits(&block[16..80], i);
            let groups = x.as_chunks_mut::<16>().0.iter_mut();
            for ((x, codes), s) in groups.zip(codes.as_chunks::<16>().0).zip(&block[2 * i..]) {
                let (scale, min) = (d * f32::from(s & 15), dmin * f32::from(s >> 4));
                for (x, &q) in x.iter_mut().zip(codes) {
                    *x = scale * f32::from(q) - min;
                }
            }
        }
    }
}
