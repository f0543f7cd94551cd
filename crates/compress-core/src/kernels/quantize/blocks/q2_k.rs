//! `Q2_K`: for each group of 16 a scale and a minimum, both in 4 bits.
//!
//! # References
//! ggml, `dequantize_row_q2_K`.

use super::affine::{self, Holding, Search};
use super::bytes::{byte, of_two_bits, read, two_bits};
use super::importance::Importance;
use super::lanes::Lanes;
use crate::kernels::half;

const LEN: usize = 256;
const BYTES: usize = 84;
/// The largest code.
const TOP: f32 = 3.0;

const SEARCH: Search = Search {
    top: TOP,
    first: TOP - 0.9,
    step: 0.1,
    trials: 19,
    descents: 2,
    moving: true,
    any_minimum: false,
};
const HOLDING: Holding = Holding {
    top: TOP,
    scale_top: 15.0,
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
    affine::write_groups::<L, 16, 1, BYTES>(
        (values, importance, bytes),
        (SEARCH, HOLDING),
        |bytes, block| {
            let multiples = block.scales.iter().zip(block.minima);
            for (to, (&scale, &min)) in bytes[..16].iter_mut().zip(multiples) {
                *to = byte(scale) | byte(min) << 4;
            }
            of_two_bits(block.codes, &mut bytes[16..80]);
            bytes[80..82].copy_from_slice(&block.d.to_le_bytes());
            bytes[82..].copy_from_slice(&block.dmin.to_le_bytes());
        },
    )
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<LEN, BYTES>(bytes, values) {
        let d = half::read(block[80], block[81]);
        let dmin = half::read(block[82], block[83]);
        for (i, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let codes = two_bits(&block[16..80], i);
            let s = &block[2 * i..][..2];
            let scales = [d * f32::from(s[0] & 15), d * f32::from(s[1] & 15)];
            let minima = [dmin * f32::from(s[0] >> 4), dmin * f32::from(s[1] >> 4)];
            // One loop of 32 becomes vectors; two of 16 would be unrolled.
            for (j, (x, &q)) in x.iter_mut().zip(&codes).enumerate() {
                *x = scales[j / 16] * f32::from(q) - minima[j / 16];
            }
        }
    }
}
