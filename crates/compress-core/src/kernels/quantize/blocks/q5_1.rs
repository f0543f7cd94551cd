//! `Q5_1`: the smallest value becomes 0, and the largest 31.
//!
//! # References
//! ggml, `quantize_row_q5_1_ref` and `dequantize_row_q5_1`.

use super::affine::{self, Search};
use super::bytes::{PLACES, SHIFTS, inverse, of_five_bits, read, twice, written};
use super::importance::Importance;
use super::lanes::Lanes;
use super::q4_0::truncate;
use super::q4_1::min_and_range;
use crate::kernels::half;

const LEN: usize = 32;
const BYTES: usize = 24;
/// The largest code.
const TOP: f32 = 31.0;

const SEARCH: Search = Search {
    top: TOP,
    first: TOP - 0.9,
    step: 0.05,
    trials: 37,
    descents: 4,
    moving: true,
    any_minimum: true,
};

/// Whether all scales are finite.
#[inline(always)]
pub(super) fn quantize(values: &[f32], bytes: &mut [u8]) -> bool {
    let mut fine = true;
    for (x, block) in written::<LEN, BYTES>(values, bytes) {
        let (low, range) = min_and_range(x);
        let d = range / TOP;
        let inverse = inverse(d);
        let (scale, min) = (half::from_f32(d), half::from_f32(low));
        fine &= half::is_finite(scale) & half::is_finite(min);
        let mut codes = [0; LEN];
        for (code, &x) in codes.iter_mut().zip(x) {
            *code = truncate::<31>((x - low) * inverse + 0.5);
        }
        write(block, scale, min, &codes);
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
    affine::write_single::<L, BYTES>((values, importance, bytes), SEARCH, write)
}

/// Writes a block.
#[inline(always)]
fn write(block: &mut [u8; BYTES], d: u16, m: u16, codes: &[u8; LEN]) {
    let [d0, d1, m0, m1, h0, h1, h2, h3, q @ ..] = block;
    [*d0, *d1] = d.to_le_bytes();
    [*m0, *m1] = m.to_le_bytes();
    let (low, high) = of_five_bits(codes);
    [*h0, *h1, *h2, *h3] = high.to_le_bytes();
    *q = low;
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for ([d0, d1, m0, m1, h0, h1, h2, h3, q @ ..], x) in read::<LEN, BYTES>(bytes, values) {
        let (d, m) = (half::read(*d0, *d1), half::read(*m0, *m1));
        let word = u32::from_le_bytes([*h0, *h1, *h2, *h3]);
        let codes = twice(q);
        let codes = codes.iter().zip(&SHIFTS).zip(&PLACES);
        for (x, ((&q, shift), place)) in x.iter_mut().zip(codes) {
            let low = (i32::from(q) >> shift) & 15;
            let high = (word >> place & 1) as i32 * 16;
            *x = d * (low | high) as f32 + m;
        }
    }
}
