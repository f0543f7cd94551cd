//! `Q3_K`: for each group of 16 a scale in 6 bits, which is a multiple of the block's.
//!
//! The low two bits of the codes lie as those of `Q2_K`. Bit `i` of byte `j` of `qh` is the upper
//! bit of value `32·i + j`. The scales are stored 32 higher: four bits of each in eight bytes, then
//! two bits of each in four.
//!
//! # References
//! ggml, `dequantize_row_q3_K`.

use super::bytes::{byte, of_high_bits, of_two_bits, read, two_bits};
use super::importance::Importance;
use super::lanes::Lanes;
use super::scaled::{self, Ends, Whole};
use crate::kernels::half;

const LEN: usize = 256;
const BYTES: usize = 110;

const LEVELS: Whole = Whole {
    low: -4.0,
    high: 3.0,
};
const RANGE: Whole = Whole {
    low: -32.0,
    high: 31.0,
};
const ENDS: Ends = Ends {
    firsts: [-3.1, 2.1],
    step: 0.3,
    trials: 6,
};
const WEIGHTED_ENDS: Ends = Ends {
    step: 0.1,
    trials: 19,
    ..ENDS
};

/// Writes the blocks; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize<L: Lanes>(
    values: &[f32],
    importance: Importance<'_>,
    bytes: &mut [u8],
) -> bool {
    let ends = match importance.is_even() {
        true => ENDS,
        false => WEIGHTED_ENDS,
    };
    scaled::write_groups::<L, _, 16, 1, BYTES>(
        (values, importance, bytes),
        (LEVELS, ends, RANGE),
        |bytes, d, multiples, codes| {
            of_high_bits(codes, 2, &mut bytes[..32]);
            of_two_bits(codes, &mut bytes[32..96]);
            write_scales(multiples, &mut bytes[96..108]);
            bytes[108..].copy_from_slice(&d.to_le_bytes());
        },
    )
}

#[inline(always)]
fn write_scales(multiples: &[f32], s: &mut [u8]) {
    s.fill(0);
    for (j, multiple) in multiples.iter().enumerate() {
        let multiple = byte(multiple - RANGE.low);
        s[j % 8] |= (multiple & 15) << (j / 8 * 4);
        s[8 + j % 4] |= (multiple >> 4) << (j / 4 * 2);
    }
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<LEN, BYTES>(bytes, values) {
        let d = half::read(block[108], block[109]);
        for (i, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let mut codes = two_bits(&block[32..96], i);
            for (code, high) in codes.iter_mut().zip(&block[..32]) {
                *code |= (high >> i & 1) << 2;
            }
            let groups = x.as_chunks_mut::<16>().0.iter_mut();
            for (j, (x, codes)) in groups.zip(codes.as_chunks::<16>().0).enumerate() {
                let scale = d * f32::from(scale_of(&block[96..108], 2 * i + j));
                for (x, &q) in x.iter_mut().zip(codes) {
                    *x = scale * f32::from(q as i8 - 4);
                }
            }
        }
    }
}

/// From −32 to 31.
#[inline(always)]
fn scale_of(s: &[u8], j: usize) -> i8 {
    let low = s[j % 8] >> (j / 8 * 4) & 15;
    let high = s[8 + j % 4] >> (j / 4 * 2) & 3;
    (low | high << 4) as i8 - 32
}
