//! `Q4_0`: the value of largest magnitude becomes −8, with the scale's sign making up for its.
//!
//! # References
//! ggml, `quantize_row_q4_0_ref`.

use super::bytes::{inverse, read, written};
use crate::kernels::half;
use crate::kernels::quantize::steps::MAGIC;
use crate::kernels::reduce::{min_max_keys, of_key};

const LEN: usize = 32;
const BYTES: usize = 18;

/// Whether all scales are finite.
#[inline(always)]
pub(super) fn quantize(values: &[f32], bytes: &mut [u8]) -> bool {
    let mut fine = true;
    for (x, block) in written::<LEN, BYTES>(values, bytes) {
        let d = farthest(x) / -8.0;
        let inverse = inverse(d);
        let scale = half::from_f32(d);
        fine &= half::is_finite(scale);
        let [s0, s1, q @ ..] = block;
        [*s0, *s1] = scale.to_le_bytes();
        let mut codes = [0; LEN];
        for (code, &x) in codes.iter_mut().zip(x) {
            *code = truncate(x * inverse + 8.5);
        }
        // A loop of 16 bytes would be unrolled, byte by byte, and `array::from_fn` be a call.
        let (halves, _) = codes.as_chunks::<{ LEN / 2 }>();
        let (low, high) = (
            u128::from_le_bytes(halves[0]),
            u128::from_le_bytes(halves[1]),
        );
        *q = (low | high << 4).to_le_bytes();
    }
    fine
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for ([s0, s1, q @ ..], x) in read::<LEN, BYTES>(bytes, values) {
        let d = half::read(*s0, *s1);
        // One loop of 32 becomes vectors; two of 16 would be unrolled, byte by byte.
        let mut twice = [0u8; LEN];
        twice[..LEN / 2].copy_from_slice(q);
        twice[LEN / 2..].copy_from_slice(q);
        for ((x, &q), shift) in x.iter_mut().zip(&twice).zip(&SHIFTS) {
            *x = d * (((i32::from(q) >> shift) & 15) - 8) as f32;
        }
    }
}

/// Where the code of a value is in its byte.
const SHIFTS: [i32; LEN] = {
    let mut shifts = [0; LEN];
    let mut i = LEN / 2;
    while i < LEN {
        shifts[i] = 4;
        i += 1;
    }
    shifts
};

/// The whole part of a number from 0 to 17, but at most 15.
#[inline(always)]
fn truncate(x: f32) -> u8 {
    let near = (x + MAGIC) - MAGIC;
    let below = if near > x { near - 1.0 } else { near };
    let code = if below < 15.0 { below } else { 15.0 };
    (code + MAGIC).to_bits() as u8
}

/// The value of largest magnitude; of several the first.
#[inline(always)]
fn farthest(x: &[f32; LEN]) -> f32 {
    let (low, high) = min_max_keys(x);
    let (low, high) = (of_key(low), of_key(high));
    if high > -low {
        high
    } else if high < -low {
        low
    } else {
        first_of(x, high.abs())
    }
}

/// The first value of this magnitude; of zeros +0, as ggml's search that starts from it has it. NaN
/// where there is one: a NaN of negative sign is the lowest value of all, and compares with none.
#[cold]
fn first_of(x: &[f32; LEN], magnitude: f32) -> f32 {
    if let Some(&nan) = x.iter().find(|x| x.is_nan()) {
        return nan;
    }
    let first = x.iter().find(|x| x.abs() == magnitude && magnitude > 0.0);
    first.copied().unwrap_or(magnitude)
}
