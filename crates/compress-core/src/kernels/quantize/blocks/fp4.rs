//! `MXFP4` and `NVFP4`: floats of four bits (E2M1) with a scale of eight bits.
//!
//! # References
//! OCP Microscaling Formats (MX) v1.0; ggml,
//! `quantize_row_mxfp4_ref`, `dequantize_row_mxfp4` and `dequantize_row_nvfp4`.

use super::bytes::{SHIFTS, read, twice};
use super::groups::{Nibbles, Packing, Values, transpose};
use super::importance::Importance;
use super::lanes::{Codebook, LANES, Lanes};
use crate::kernels::reduce::{INFINITE, absmax_bits};

/// Twice the values of E2M1. ggml has no negative zero.
const LEVELS: [f32; 16] = [
    0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0,
];

/// The levels in ascending order.
static CODEBOOK: Codebook = Codebook::new(
    [
        -12.0, -8.0, -6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0,
    ],
    [15, 14, 13, 12, 11, 10, 9, 0, 0, 1, 2, 3, 4, 5, 6, 7],
);

/// Writes blocks of `MXFP4`, 16 at once; whether all values are finite.
///
/// ggml takes the power of two that the largest magnitude is 4 to 8 times of. Here the next larger
/// one is tried too, and where values are weighted the next smaller; the least error wins.
#[inline(always)]
pub(super) fn quantize_mx<L: Lanes>(
    values: &[f32],
    importance: Importance<'_>,
    bytes: &mut [u8],
) -> bool {
    const LEN: usize = LANES * 32;
    let mut fine = true;
    let blocks = bytes.chunks_mut(LANES * 17);
    for (i, (values, bytes)) in values.chunks(LEN).zip(blocks).enumerate() {
        fine &= absmax_bits(values) < INFINITE;
        let x = transpose::<L, 32>(values);
        let w = importance.from(i * LEN).weights();
        let mut exponents = [0u8; LANES];
        for (e, values) in exponents.iter_mut().zip(values.as_chunks::<32>().0) {
            *e = ((absmax_bits(values) >> 23) as u8)
                .saturating_sub(2)
                .clamp(3, 252);
        }
        let mut scale = power(&exponents, 0);
        let mut least = error(&x, &w, scale);
        let mut chosen = L::all(0.0);
        // Without weights the smaller one is hardly ever better.
        let steps = if importance.is_even() {
            &[1][..]
        } else {
            &[1, -1]
        };
        for &step in steps {
            let other = power(&exponents, step);
            let error = error(&x, &w, other);
            let better = least.minus(error);
            scale = better.if_positive(other, scale);
            chosen = better.if_positive(L::all(step.into()), chosen);
            least = better.if_positive(error, least);
        }
        let inverse = L::all(1.0).over(scale);
        let mut at = [L::all(0.0); 32];
        for (at, &x) in at.iter_mut().zip(&x) {
            *at = x.times(inverse).code_of(&CODEBOOK);
        }
        let (codes, chosen) = (Nibbles::pack(&at), chosen.to_array());
        for (lane, block) in bytes.as_chunks_mut::<17>().0.iter_mut().enumerate() {
            let [e, q @ ..] = block;
            *e = exponents[lane].wrapping_add_signed(chosen[lane] as i8);
            *q = codes[lane];
        }
    }
    fine
}

/// Half of the power of two of each block, so many steps from its own.
#[inline(always)]
fn power<L: Lanes>(exponents: &[u8; LANES], step: i8) -> L {
    let mut powers = [0.0; LANES];
    for (power, e) in powers.iter_mut().zip(exponents) {
        *power = half_of_power(e.wrapping_add_signed(step));
    }
    L::load(&powers)
}

/// The weighted squared error of each block at a scale.
#[inline(always)]
fn error<L: Lanes>(x: &Values<L, 32>, w: &Values<L, 32>, scale: L) -> L {
    let inverse = L::all(1.0).over(scale);
    let mut error = L::all(0.0);
    for (x, w) in x.iter().zip(w) {
        let level = x.times(inverse).nearest_of(&CODEBOOK);
        let difference = scale.times(level).minus(*x);
        error = w.times(difference).mul_add(difference, error);
    }
    error
}

/// Blocks of `MXFP4`.
#[inline(always)]
pub(super) fn dequantize_mx(bytes: &[u8], values: &mut [f32]) {
    for ([e, q @ ..], x) in read::<32, 17>(bytes, values) {
        let d = half_of_power(*e);
        for ((x, &q), shift) in x.iter_mut().zip(&twice(q)).zip(&SHIFTS) {
            *x = d * LEVELS[(i32::from(q) >> shift & 15) as usize];
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
