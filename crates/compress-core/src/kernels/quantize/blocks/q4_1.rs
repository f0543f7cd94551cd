//! `Q4_1`: the smallest value becomes 0, and the largest 15.
//!
//! # References
//! ggml, `quantize_row_q4_1_ref` and `dequantize_row_q4_1`.

use super::affine::{self, Search};
use super::bytes::{SHIFTS, inverse, of_nibbles, read, twice, written};
use super::importance::Importance;
use super::lanes::Lanes;
use super::q4_0::truncate;
use crate::kernels::half;
use crate::kernels::reduce::{min_max_keys, of_key};

const LEN: usize = 32;
const BYTES: usize = 20;
/// The largest code.
const TOP: f32 = 15.0;

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
            *code = truncate::<15>((x - low) * inverse + 0.5);
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
    let [d0, d1, m0, m1, q @ ..] = block;
    [*d0, *d1] = d.to_le_bytes();
    [*m0, *m1] = m.to_le_bytes();
    *q = of_nibbles(codes);
}

/// The smallest value, and how far the largest lies from it. Of zeros of both signs the first is
/// the smallest, as in ggml's search.
#[inline(always)]
pub(super) fn min_and_range(x: &[f32; LEN]) -> (f32, f32) {
    let (low, high) = min_max_keys(x);
    let (mut low, high) = (of_key(low), of_key(high));
    if low == 0.0 {
        low = first_zero(x);
    }
    (low, high - low)
}

#[cold]
fn first_zero(x: &[f32; LEN]) -> f32 {
    x.iter().copied().find(|&x| x == 0.0).unwrap_or(0.0)
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for ([d0, d1, m0, m1, q @ ..], x) in read::<LEN, BYTES>(bytes, values) {
        let (d, m) = (half::read(*d0, *d1), half::read(*m0, *m1));
        for ((x, &q), shift) in x.iter_mut().zip(&twice(q)).zip(&SHIFTS) {
            *x = d * ((i32::from(q) >> shift) & 15) as f32 + m;
        }
    }
}
