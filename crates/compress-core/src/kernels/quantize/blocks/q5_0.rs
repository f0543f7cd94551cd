//! `Q5_0`: the value of largest magnitude becomes −16, with the scale's sign making up for its.
//!
//! # References
//! ggml, `dequantize_row_q5_0`.

use super::bytes::{five_bits, read};
use crate::kernels::half;

const LEN: usize = 32;
const BYTES: usize = 22;

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for ([d0, d1, h0, h1, h2, h3, q @ ..], x) in read::<LEN, BYTES>(bytes, values) {
        let d = half::read(*d0, *d1);
        let codes = five_bits(q, u32::from_le_bytes([*h0, *h1, *h2, *h3]));
        for (x, q) in x.iter_mut().zip(codes) {
            *x = d * f32::from(q as i8 - 16);
        }
    }
}
