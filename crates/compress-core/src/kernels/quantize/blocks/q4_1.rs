//! `Q4_1`: the smallest value becomes 0, and the largest 15.
//!
//! # References
//! ggml, `dequantize_row_q4_1`.

use super::bytes::{nibbles, read};
use crate::kernels::half;

const LEN: usize = 32;
const BYTES: usize = 20;

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for ([d0, d1, m0, m1, q @ ..], x) in read::<LEN, BYTES>(bytes, values) {
        let (d, m) = (half::read(*d0, *d1), half::read(*m0, *m1));
        for (x, q) in x.iter_mut().zip(nibbles(q)) {
            *x = d * f32::from(q) + m;
        }
    }
}
