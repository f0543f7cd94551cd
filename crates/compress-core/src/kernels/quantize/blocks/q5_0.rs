//! `Q5_0`: the value of largest magnitude becomes −16, with the scale's sign making up for its.
//!
//! # References
//! ggml, `quantize_row_q5_0_ref` and `dequantize_row_q5_0`.

use super::bytes::{PLACES, SHIFTS, byte, inverse, of_five_bits, read, twice, written};
use super::importance::Importance;
use super::lanes::Lanes;
use super::q4_0::{farthest, truncate};
use super::scaled::{self, Ends, Whole};
use crate::kernels::half;

const LEN: usize = 32;
const BYTES: usize = 22;

/// Whether all scales are finite.
#[inline(always)]
pub(super) fn quantize(values: &[f32], bytes: &mut [u8]) -> bool {
    let mut fine = true;
    for (x, block) in written::<LEN, BYTES>(values, bytes) {
        let d = farthest(x) / -16.0;
        let inverse = inverse(d);
        let scale = half::from_f32(d);
        fine &= half::is_finite(scale);
        let mut codes = [0; LEN];
        for (code, &x) in codes.iter_mut().zip(x) {
            *code = truncate::<31>(x * inverse + 16.5);
        }
        write(block, scale, &codes);
    }
    fine
}

/// Writes the blocks whose errors have the least sum by importance; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize_weighted<L: Lanes>(
    values: &[f32],
    importance: Importance<'_>,
    bytes: &mut [u8],
) -> bool {
    const LEVELS: Whole = Whole {
        low: -16.0,
        high: 15.0,
    };
    const ENDS: Ends = Ends {
        firsts: [-15.1, 14.1],
        step: 0.2,
        trials: 10,
    };
    scaled::write_single::<L, _, BYTES>((values, importance, bytes), (LEVELS, ENDS), write)
}

#[inline(always)]
fn write(block: &mut [u8; BYTES], d: u16, codes: &[u8; LEN]) {
    let [d0, d1, h0, h1, h2, h3, q @ ..] = block;
    [*d0, *d1] = d.to_le_bytes();
    let (low, high) = of_five_bits(codes);
    [*h0, *h1, *h2, *h3] = high.to_le_bytes();
    *q = low;
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for ([d0, d1, h0, h1, h2, h3, q @ ..], x) in read::<LEN, BYTES>(bytes, values) {
        let d = half::read(*d0, *d1);
        let word = u32::from_le_bytes([*h0, *h1, *h2, *h3]);
        let codes = twice(q);
        let codes = codes.iter().zip(&SHIFTS).zip(&PLACES);
        for (x, ((&q, shift), place)) in x.iter_mut().zip(codes) {
            let low = (i32::from(q) >> shift) & 15;
            let high = (word >> place & 1) as i32 * 16;
            *x = d * ((low | high) - 16) as f32;
        }
    }
}
