//! `MXFP4` and `NVFP4`: floats of four bits (E2M1) with a scale of eight bits.
//!
//! # References
//! OCP Microscaling Formats (MX) v1.0; ggml, `dequantize_row_mxfp4` and `dequantize_row_nvfp4`.

use super::bytes::{nibbles, read};

/// Twice the values of E2M1. ggml has no negative zero.
const LEVELS: [f32; 16] = [
    0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0,
];

/// Blocks of `MXFP4`.
#[inline(always)]
pub(super) fn dequantize_mx(bytes: &[u8], values: &mut [f32]) {
    for ([e, q @ ..], x) in read::<32, 17>(bytes, values) {
        let d = half_of_power(*e);
        for (x, q) in x.iter_mut().zip(nibbles(q)) {
            *x = d * LEVELS[usize::from(q & 15)];
        }
    }
}

/// Blocks of `NVFP4`, four groups of 16.
#[inline(always)]
pub(super) fn dequantize_nv(bytes: &[u8], values: &mut [f32]) {
    for ([d0, d1, d2, d3, q @ ..], x) in read::<64, 36>(bytes, values) {
        let groups = x.as_chunks_mut::<16>().0.iter_mut();
        for ((x, q), d) in groups.zip(q.as_chunks::<8>().0).zip([d0, d1, d2, d3]) {
            let d = half_of_e4m3(*d);
            let (low, high) = x.split_at_mut(8);
            for ((low, high), q) in low.iter_mut().zip(high).zip(q) {
                *low = d * LEVELS[usize::from(q & 15)];
                *high = d * LEVELS[usize::from(q >> 4)];
            }
        }
    }
}

/// Half of 2^(e − 127), for the levels are twice those of E2M1.
#[inline(always)]
fn half_of_power(e: u8) -> f32 {
    let e = u32::from(e);
    f32::from_bits(if e < 2 {
        0x0020_0000 << e
    } else {
        (e - 1) << 23
    })
}

/// Half of a float of 4 bits of exponent and 3 of mantissa; its sign is not looked at.
#[inline(always)]
fn half_of_e4m3(bits: u8) -> f32 {
    // The code of NaN. ggml reads it as zero, though not that of a negative NaN.
    if bits == 0x7f {
        return 0.0;
    }
    // The mantissa and exponent in their places, and the bias changed from 7 to 127 by a product,
    // which serves subnormals too.
    const REBIAS: f32 = f32::from_bits((127 + 120 - 1) << 23);
    f32::from_bits(u32::from(bits & 0x7f) << 20) * REBIAS
}

/// Whether the values of a block of `MXFP4` are finite.
pub(super) fn is_finite_mx(block: &[u8]) -> bool {
    let mut values = [0.0; 32];
    dequantize_mx(block, &mut values);
    values.iter().all(|x| x.is_finite())
}
