//! `Q5_K`: as `Q4_K`, with codes of 5 bits. Bit `i` of byte `j` of `qh` is the upper bit of value
//! `32·i + j`.
//!
//! # References
//! ggml, `dequantize_row_q5_K`.

use super::affine::{self, Holding, Search};
use super::bytes::{four_bits, of_four_bits, of_high_bits, read};
use super::importance::Importance;
use super::lanes::Lanes;
use super::q4_k::{scale_and_min, write_scales};
use crate::kernels::half;

const LEN: usize = 256;
const BYTES: usize = 176;
/// The largest code.
const TOP: f32 = 31.0;

const SEARCH: Search = Search {
    top: TOP,
    first: TOP - 0.8,
    step: 0.2,
    trials: 9,
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
    affine::write_groups::<L, 32, 2, BYTES>(
        (values, importance, bytes),
        (SEARCH, HOLDING),
        |bytes, block| {
            write_scales(&block, &mut bytes[..16]);
            of_high_bits(block.codes, 4, &mut bytes[16..48]);
            of_four_bits(block.codes, &mut bytes[48..]);
        },
    )
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<LEN, BYTES>(bytes, values) {
        let (d, dmin) = (
            half::read(block[0], block[1]),
            half::read(block[2], block[3]),
        );
        for (i, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (scale, min) = scale_and_min(&block[4..16], i);
            let (scale, min) = (d * scale, dmin * min);
            let codes = four_bits(&block[48..], i);
            for ((x, low), high) in x.iter_mut().zip(codes).zip(&block[16..48]) {
                let q = low | (high >> i & 1) << 4;
                *x = scale * f32::from(q) - min;
            }
        }
    }
}
