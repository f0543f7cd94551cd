//! `Q5_1`: the smallest value becomes 0, and the largest 31.
//!
//! # References
//! ggml, `dequantize_row_q5_1`.

use super::bytes::{five_bits, read};
use crate::kernels::half;

const LEN: usize = 32;
const BYTES: usize = 24;

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for ([d0, d1, m0, m1, h0, h1, h2, h3, q @ ..], x) in read::<LEN, BYTES>(bytes, values) {
        let (d, m) = (half::read(*d0, *d1), half::read(*m0, *m1));
        let codes = five_bits(q, u32::from_le_bytes([*h0, *h1, *h2, *h3]));
        for (x, q) in x.iter_mut().zip(codes) {
            *x = d * f32::from(q) + m;
        }
    }
}
