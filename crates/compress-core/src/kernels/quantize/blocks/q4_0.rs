//! `Q4_0`: the value of largest magnitude becomes −8, with the scale's sign making up for its.
//!
//! # References
//! ggml, `quantize_row_q4_0_ref`.

use super::bytes::{SHIFTS, read, twice};
use super::groups::Nibbles;
use super::importance::Importance;
use super::lanes::Lanes;
use super::scaled::{self, Ends, Whole};
use super::without_minimum;
use crate::kernels::half;

const LEN: usize = 32;
const BYTES: usize = 18;
const LEVELS: Whole = Whole {
    low: -8.0,
    high: 7.0,
};

/// Whether all scales are finite.
#[inline(always)]
pub(super) fn quantize<L: Lanes>(values: &[f32], _even: Importance<'_>, bytes: &mut [u8]) -> bool {
    without_minimum::quantize::<L, Nibbles, BYTES>(values, bytes, LEVELS, write)
}

/// Writes the blocks whose errors have the least sum by importance; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize_weighted<L: Lanes>(
    values: &[f32],
    importance: Importance<'_>,
    bytes: &mut [u8],
) -> bool {
    const ENDS: Ends = Ends {
        firsts: [-7.1, 6.1],
        step: 0.2,
        trials: 10,
    };
    scaled::write_single::<L, _, Nibbles, BYTES>((values, importance, bytes), (LEVELS, ENDS), write)
}

#[inline(always)]
fn write([d0, d1, q @ ..]: &mut [u8; BYTES], d: u16, codes: &[u8; 16]) {
    [*d0, *d1] = d.to_le_bytes();
    *q = *codes;
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for ([s0, s1, q @ ..], x) in read::<LEN, BYTES>(bytes, values) {
        let d = half::read(*s0, *s1);
        for ((x, &q), shift) in x.iter_mut().zip(&twice(q)).zip(&SHIFTS) {
            *x = d * (((i32::from(q) >> shift) & 15) - 8) as f32;
        }
    }
}
