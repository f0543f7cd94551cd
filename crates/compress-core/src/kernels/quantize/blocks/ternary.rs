//! `TQ1_0` and `TQ2_0`: −1, 0 and 1 with one scale for each 256 values.
//!
//! # References
//! ggml, `dequantize_row_tq1_0` and `dequantize_row_tq2_0`.

use super::bytes::{read, two_bits};
use crate::kernels::half;

/// Blocks of `TQ1_0`. A byte is a fraction of 256: the ternary digits behind its point are the
/// codes, the first that of the first run.
#[inline(always)]
pub(super) fn dequantize_1(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<256, 54>(bytes, values) {
        let d = half::read(block[52], block[53]);
        let (first, rest) = x.split_at_mut(160);
        let (second, third) = rest.split_at_mut(80);
        digits(d, &block[..32], first);
        digits(d, &block[32..48], second);
        digits(d, &block[48..52], third);
    }
}

/// The first digits of all bytes, then the second ones, and so on.
#[inline(always)]
fn digits(d: f32, bytes: &[u8], x: &mut [f32]) {
    let mut power = 1u8;
    for x in x.chunks_exact_mut(bytes.len()) {
        for (x, &byte) in x.iter_mut().zip(bytes) {
            let code = (u16::from(byte.wrapping_mul(power)) * 3) >> 8;
            *x = d * (i32::from(code) - 1) as f32;
        }
        power = power.wrapping_mul(3);
    }
}

/// Blocks of `TQ2_0`.
#[inline(always)]
pub(super) fn dequantize_2(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<256, 66>(bytes, values) {
        let d = half::read(block[64], block[65]);
        for (i, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (x, q) in x.iter_mut().zip(two_bits(&block[..64], i)) {
                *x = d * (i32::from(q) - 1) as f32;
            }
        }
    }
}
