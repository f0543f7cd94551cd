//! `IQ4_NL` and `IQ4_XS`: 16 levels that lie denser near zero.
//!
//! # References
//! ggml, `quantize_row_iq4_nl_impl`, `dequantize_row_iq4_nl`, `dequantize_row_iq4_xs` and `kvalues_iq4nl`.

use super::bytes::{SHIFTS, byte, of_nibbles, read, twice};
use super::groups::Nibbles;
use super::importance::Importance;
use super::lanes::{Codebook, Lanes};
use super::scaled::{self, Ends, Whole};
use crate::kernels::half;

/// The levels.
const LEVELS: [f32; 16] = [
    -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0,
    89.0, 113.0,
];

static CODEBOOK: Codebook = Codebook::new(
    LEVELS,
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
);
const ENDS: Ends = Ends {
    firsts: [-120.0, 106.0],
    step: 2.0,
    trials: 8,
};
/// The multiples of a block's scale that `IQ4_XS` has.
const RANGE: Whole = Whole {
    low: -32.0,
    high: 31.0,
};

/// Writes blocks of `IQ4_NL`; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize_nl<L: Lanes>(
    values: &[f32],
    importance: Importance<'_>,
    bytes: &mut [u8],
) -> bool {
    scaled::write_single::<L, _, Nibbles, 18>(
        (values, importance, bytes),
        (&CODEBOOK, ENDS),
        |[d0, d1, q @ ..], d, codes| {
            [*d0, *d1] = d.to_le_bytes();
            *q = *codes;
        },
    )
}

/// Writes blocks of `IQ4_XS`; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize_xs<L: Lanes>(
    values: &[f32],
    importance: Importance<'_>,
    bytes: &mut [u8],
) -> bool {
    scaled::write_groups::<L, _, 32, 2, 136>(
        (values, importance, bytes),
        (&CODEBOOK, ENDS, RANGE),
        |[d0, d1, h0, h1, l0, l1, l2, l3, q @ ..], d, multiples, codes| {
            [*d0, *d1] = d.to_le_bytes();
            let (mut low, mut high) = (0u32, 0u16);
            for (j, multiple) in multiples.iter().enumerate() {
                let multiple = byte(multiple - RANGE.low);
                low |= u32::from(multiple & 15) << (4 * j);
                high |= u16::from(multiple >> 4) << (2 * j);
            }
            [*h0, *h1] = high.to_le_bytes();
            [*l0, *l1, *l2, *l3] = low.to_le_bytes();
            let groups = q.as_chunks_mut().0.iter_mut();
            for (q, codes) in groups.zip(codes.as_chunks().0) {
                *q = of_nibbles(codes);
            }
        },
    )
}

/// Blocks of `IQ4_NL`.
#[inline(always)]
pub(super) fn dequantize_nl(bytes: &[u8], values: &mut [f32]) {
    for ([d0, d1, q @ ..], x) in read::<32, 18>(bytes, values) {
        look_up(half::read(*d0, *d1), q, x);
    }
}

/// Blocks of `IQ4_XS`.
#[inline(always)]
pub(super) fn dequantize_xs(bytes: &[u8], values: &mut [f32]) {
    for ([d0, d1, h0, h1, l0, l1, l2, l3, q @ ..], x) in read::<256, 136>(bytes, values) {
        let d = half::read(*d0, *d1);
        let high = u16::from_le_bytes([*h0, *h1]);
        let low = u32::from_le_bytes([*l0, *l1, *l2, *l3]);
        let groups = x.as_chunks_mut::<32>().0.iter_mut();
        for (i, (x, q)) in groups.zip(q.as_chunks().0).enumerate() {
            let scale = (low >> (4 * i) & 15) as i32 | i32::from(high >> (2 * i) & 3) << 4;
            look_up(d * (scale - 32) as f32, q, x);
        }
    }
}

#[inline(always)]
fn look_up(d: f32, q: &[u8; 16], x: &mut [f32; 32]) {
    for ((x, &q), shift) in x.iter_mut().zip(&twice(q)).zip(&SHIFTS) {
        *x = d * LEVELS[(i32::from(q) >> shift & 15) as usize];
    }
}
