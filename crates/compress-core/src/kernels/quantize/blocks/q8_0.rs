//! `Q8_0`: the largest magnitude becomes 127.
//!
//! # References
//! ggml, `quantize_row_q8_0_ref`.

use super::bytes::{inverse, read, written};
use crate::kernels::half;

const LEN: usize = 32;
const BYTES: usize = 34;

/// Whether all scales are finite.
#[inline(always)]
pub(super) fn quantize(values: &[f32], bytes: &mut [u8]) -> bool {
    let mut fine = true;
    for (x, block) in written::<LEN, BYTES>(values, bytes) {
        let largest = x
            .iter()
            .fold(0, |most, x| (x.to_bits() & 0x7fff_ffff).max(most));
        let d = f32::from_bits(largest) / 127.0;
        let inverse = inverse(d);
        let scale = half::from_f32(d);
        fine &= half::is_finite(scale);
        let [s0, s1, q @ ..] = block;
        [*s0, *s1] = scale.to_le_bytes();
        for (q, &x) in q.iter_mut().zip(x) {
            *q = round_half_away(x * inverse) as u8;
        }
    }
    fine
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for ([s0, s1, q @ ..], x) in read::<LEN, BYTES>(bytes, values) {
        let d = half::read(*s0, *s1);
        for (x, &q) in x.iter_mut().zip(q) {
            *x = f32::from(q as i8) * d;
        }
    }
}

/// C's `roundf` of a number of at most 2²¹ in magnitude.
#[inline(always)]
fn round_half_away(x: f32) -> i32 {
    /// The distance of neighbours is 1 here, so adding it rounds half to even.
    const MAGIC: f32 = 8_388_608.0;
    let magnitude = x.abs();
    let even = (magnitude + MAGIC) - MAGIC;
    // Exact, and 0.5 only where the tie went down.
    let up = magnitude - even >= 0.5;
    let rounded = (even + MAGIC).to_bits() as i32 - MAGIC.to_bits() as i32 + i32::from(up);
    if x < 0.0 { -rounded } else { rounded }
}
