//! `Q5_0`: the value of largest magnitude becomes −16, with the scale's sign making up for its.
//!
//! # References
//! ggml, `quantize_row_q5_0_ref` and `dequantize_row_q5_0`.

use super::bytes::{PLACES, SHIFTS, read, twice};
use super::groups::FiveBits;
use super::importance::Importance;
use super::lanes::Lanes;
use super::scaled::{self, Ends, Whole};
use super::without_minimum;
use crate::kernels::half;

const LEN: usize = 32;
const BYTES: usize = 22;
const LEVELS: Whole = Whole {
    low: -16.0,
    high: 15.0,
};

/// Whether all scales are finite.
#[inline(always)]
pub(super) fn quantize<L: Lanes>(values: &[f32], _even: Importance<'_>, bytes: &mut [u8]) -> bool {
    without_minimum::quantize::<L, FiveBits, BYTES>(values, bytes, LEVELS, write)
}

/// Writes the blocks whose errors have the least sum by importance; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize_weighted<L: Lanes>(
    values: &[f32],
    importance: Importance<'_>,
    bytes: &mut [u8],
) -> bool {
    const ENDS: Ends = Ends {
        firsts: [-15.1, 14.1],
        step: 0.2,
        trials: 10,
    };
    scaled::write_single::<L, _, FiveBits, BYTES>(
        (values, importance, bytes),
        (LEVELS, ENDS),
        write,
    )
}

#[inline(always)]
fn write(block: &mut [u8; BYTES], d: u16, (low, high): &([u8; 16], [u8; 4])) {
    let [d0, d1, h0, h1, h2, h3, q @ ..] = block;
    [*d0, *d1] = d.to_le_bytes();
    [*h0, *h1, *h2, *h3] = *high;
    *q = *low;
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
