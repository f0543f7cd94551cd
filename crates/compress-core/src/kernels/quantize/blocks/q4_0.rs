//! `Q4_0`: the value of largest magnitude becomes −8, with the scale's sign making up for its.
//!
//! # References
//! ggml, `quantize_row_q4_0_ref`.

use super::bytes::{SHIFTS, byte, inverse, of_nibbles, read, twice, written};
use super::importance::Importance;
use super::lanes::Lanes;
use super::scaled::{self, Ends, Whole};
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
            *code = truncate::<15>(x * inverse + 8.5);
        }
        *q = of_nibbles(&codes);
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
        low: -8.0,
        high: 7.0,
    };
    const ENDS: Ends = Ends {
        firsts: [-7.1, 6.1],
        step: 0.2,
        trials: 10,
    };
    scaled::write_single::<L, _, BYTES>(
        (values, importance, bytes),
        (LEVELS, ENDS),
        |[d0, d1, q @ ..], d, codes| {
            [*d0, *d1] = d.to_le_bytes();
            *q = of_nibbles(codes);
        },
    )
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

/// The whole part of a number from 0 on, but at most `MOST`.
#[inline(always)]
pub(super) fn truncate<const MOST: u8>(x: f32) -> u8 {
    let most = f32::from(MOST);
    let near = (x + MAGIC) - MAGIC;
    let below = if near > x { near - 1.0 } else { near };
    byte(if below < most { below } else { most })
}

/// The value of largest magnitude; of several the first.
#[inline(always)]
pub(super) fn farthest(x: &[f32; LEN]) -> f32 {
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
