//! `Q4_K`: for each group of 32 a scale and a minimum, both in 6 bits.
//!
//! Where all values count the same, a value's weight in the error is, as ggml has it, its
//! magnitude plus the root mean square of its group.
//!
//! # References
//! ggml, `quantize_row_q4_K_ref` and `dequantize_row_q4_K`.

use super::affine::{self, Block, Holding, Search};
use super::bytes::{byte, of_four_bits, read};
use super::groups::Values;
use super::importance::Importance;
use super::lanes::Lanes;
use crate::kernels::half;

const LEN: usize = 256;
const BYTES: usize = 144;
const GROUP: usize = 32;
/// The largest code.
const TOP: f32 = 15.0;

const SEARCH: Search = Search {
    top: TOP,
    first: TOP - 1.0,
    step: 0.1,
    trials: 21,
    descents: 0,
    moving: false,
    any_minimum: false,
};
const HOLDING: Holding = Holding {
    top: TOP,
    scale_top: 63.0,
    refits: 3,
    neighbours: false,
};

const WEIGHTED_SEARCH: Search = Search {
    descents: 2,
    moving: true,
    ..SEARCH
};
const WEIGHTED_HOLDING: Holding = Holding {
    neighbours: true,
    ..HOLDING
};

/// Writes the blocks; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize<L: Lanes>(
    values: &[f32],
    importance: Importance<'_>,
    bytes: &mut [u8],
) -> bool {
    let how = match importance.is_even() {
        true => (SEARCH, HOLDING),
        false => (WEIGHTED_SEARCH, WEIGHTED_HOLDING),
    };
    affine::write_groups::<L, GROUP, 2, BYTES>(
        (values, importance, bytes),
        how,
        weights,
        |bytes, block| {
            write_scales(&block, &mut bytes[..16]);
            of_four_bits(block.codes, &mut bytes[16..]);
        },
    )
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<LEN, BYTES>(bytes, values) {
        let [d0, d1, m0, m1, s @ ..] = block;
        let d = half::read(*d0, *d1);
        let dmin = half::read(*m0, *m1);
        for (pair, x) in x.as_chunks_mut::<{ 2 * GROUP }>().0.iter_mut().enumerate() {
            let q = &s[12 + pair * GROUP..][..GROUP];
            let (low, high) = x.split_at_mut(GROUP);
            let ((s0, m0), (s1, m1)) = (scale_and_min(s, 2 * pair), scale_and_min(s, 2 * pair + 1));
            let (s0, m0, s1, m1) = (d * s0, dmin * m0, d * s1, dmin * m1);
            for ((low, high), q) in low.iter_mut().zip(high).zip(q) {
                *low = s0 * f32::from(q & 15) - m0;
                *high = s1 * f32::from(q >> 4) - m1;
            }
        }
    }
}

/// Six bits each of scale and minimum of group `j`.
#[inline(always)]
pub(super) fn scale_and_min(s: &[u8], j: usize) -> (f32, f32) {
    let (scale, min) = if j < 4 {
        (s[j] & 63, s[j + 4] & 63)
    } else {
        (
            s[j + 4] & 15 | (s[j - 4] >> 6) << 4,
            s[j + 4] >> 4 | (s[j] >> 6) << 4,
        )
    };
    (f32::from(scale), f32::from(min))
}

/// The weight of each value's squared error.
#[inline(always)]
fn weights<L: Lanes>(x: &Values<L, GROUP>) -> Values<L, GROUP> {
    let zero = L::all(0.0);
    let squares = x.iter().fold(zero, |sum, &x| x.mul_add(x, sum));
    let root = squares.times(L::all(1.0 / GROUP as f32)).sqrt();
    let mut w = [zero; GROUP];
    for (w, &x) in w.iter_mut().zip(x) {
        *w = root.plus(x.magnitude());
    }
    w
}

/// The factors, and eight scales and minima of six bits each in twelve bytes.
#[inline(always)]
pub(super) fn write_scales(block: &Block<'_>, bytes: &mut [u8]) {
    bytes[..2].copy_from_slice(&block.d.to_le_bytes());
    bytes[2..4].copy_from_slice(&block.dmin.to_le_bytes());
    let (scales, minima, s) = (block.scales, block.minima, &mut bytes[4..]);
    for j in 0..4 {
        let (s0, m0) = (byte(scales[j]), byte(minima[j]));
        let (s1, m1) = (byte(scales[j + 4]), byte(minima[j + 4]));
        s[j] = s0 | (s1 >> 4) << 6;
        s[j + 4] = m0 | (m1 >> 4) << 6;
        s[j + 8] = s1 & 15 | m1 << 4;
    }
}
