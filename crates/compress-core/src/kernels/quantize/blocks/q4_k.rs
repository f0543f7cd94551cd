//! `Q4_K`: for each group of 32 a scale and a minimum, both in 6 bits.
//!
//! # References
//! ggml, `quantize_row_q4_K_ref` and `dequantize_row_q4_K`.

use super::affine::{self, Block, Holding, Search};
use super::bytes::{byte, of_four_bits, read};
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
    descents: 2,
    moving: true,
    any_minimum: false,
};
const HOLDING: Holding = Holding {
    top: TOP,
    scale_top: 63.0,
    refits: 3,
    neighbours: true,
};

/// Writes the blocks; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize<L: Lanes>(
    values: &[f32],
    importance: Importance<'_>,
    bytes: &mut [u8],
) -> bool {
    affine::write_groups::<L, GROUP, 2, BYTES>(
        (values, importance, bytes),
        (SEARCH, HOLDING),
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
