//! `Q6_K`: groups of 16 values with a scale of 8 bits each, which is a multiple of the block's.
//!
//! Each half of a block holds four runs of 32 values: the low four bits of runs 0 and 2 share
//! bytes, and those of runs 1 and 3; the upper two bits of all four share bytes.
//!
//! A group's scale is the best of 19 by the error weighted with the squares of the values. Where
//! the block's scale is a normal half, the bytes are those of ggml. Where it is below, ggml stores
//! zeros or values that are far off; here the groups' multiples are taken from the stored half, and
//! a block that zeros are nearer to becomes zero.
//!
//! # References
//! ggml, `quantize_row_q6_K_ref`, `make_qx_quants` and `dequantize_row_q6_K`.

use super::bytes::{byte, read, written};
use super::groups::{Values, farthest, transpose};
use super::importance::Importance;
use super::lanes::{LANES, Lanes};
use super::scaled::{self, Ends, Levels, Whole};
use crate::kernels::half;
use crate::kernels::quantize::steps::MAGIC;
use crate::kernels::reduce::absmax_bits;

const LEN: usize = 256;
const BYTES: usize = 210;
/// Values that share a scale.
const GROUP: usize = 16;
/// Codes run from −32 to 31, stored 32 higher.
const ZERO: f32 = 32.0;
/// A group whose largest magnitude is below this is zero, in ggml's search.
const SMALLEST: f32 = 1e-15;
/// No scale in half precision reaches this; and squares of what is below are far from overflow.
const LARGEST: f32 = 1e10;

const LEVELS: Whole = Whole {
    low: -ZERO,
    high: ZERO - 1.0,
};

/// Whether all scales are finite.
#[inline(always)]
pub(super) fn quantize<L: Lanes>(values: &[f32], _even: Importance<'_>, bytes: &mut [u8]) -> bool {
    let mut fine = true;
    for (x, block) in written::<LEN, BYTES>(values, bytes) {
        fine &= quantize_block::<L>(x, block);
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
    const RANGE: Whole = Whole {
        low: -128.0,
        high: 127.0,
    };
    const ENDS: Ends = Ends {
        firsts: [-31.1, 30.1],
        step: 0.2,
        trials: 10,
    };
    scaled::write_groups::<L, _, GROUP, 1, BYTES>(
        (values, importance, bytes),
        (LEVELS, ENDS, RANGE),
        |bytes, d, multiples, codes| {
            if let Some(codes) = codes.first_chunk() {
                pack(codes, bytes);
            }
            for (to, &multiple) in bytes[192..208].iter_mut().zip(multiples) {
                *to = byte(multiple);
            }
            bytes[208..].copy_from_slice(&d.to_le_bytes());
        },
    )
}

#[inline(always)]
fn quantize_block<L: Lanes>(x: &[f32; LEN], block: &mut [u8; BYTES]) -> bool {
    // Halves beyond the largest are for the caller to refuse.
    block[208..].copy_from_slice(&0x7c00_u16.to_le_bytes());
    if absmax_bits(x) >= LARGEST.to_bits() {
        return false;
    }
    let (scales, inverses) = search(&transpose::<L, GROUP>(x));
    let mut farthest = 0.0_f32;
    for scale in scales {
        farthest = if scale.abs() > farthest.abs() {
            scale
        } else {
            farthest
        };
    }
    if farthest.abs() < SMALLEST {
        block.fill(0);
        return true;
    }
    let inverse = -128.0 / farthest;
    let mut stored = half::from_f32(1.0 / inverse);
    let mut inverse_stored = inverse;
    let coarse = stored & 0x7fff < half::SMALLEST_NORMAL;
    if coarse {
        // At least the smallest half, of the same sign.
        stored |= u16::from(stored & 0x7fff == 0);
        inverse_stored = 1.0 / half::to_f32(stored);
    }
    block[208..].copy_from_slice(&stored.to_le_bytes());
    if !half::is_finite(stored) {
        return false;
    }
    let mut codes = [0; LEN];
    let mut steps = [0.0; LEN / GROUP];
    let groups = x.as_chunks::<GROUP>().0.iter();
    for (j, (x, codes)) in groups.zip(codes.as_chunks_mut::<GROUP>().0).enumerate() {
        let multiple = nearest(inverse_stored * scales[j]).clamp(-128.0, 127.0);
        block[192 + j] = multiple as i8 as u8;
        steps[j] = half::to_f32(stored) * multiple;
        if steps[j] != 0.0 {
            for (&x, code) in x.iter().zip(codes) {
                *code = (code_of(x / steps[j]) + ZERO) as u8;
            }
        } else if scales[j] != 0.0 {
            for (&x, code) in x.iter().zip(codes) {
                *code = (code_of(inverses[j] * x) + ZERO) as u8;
            }
        }
    }
    if coarse && zero_is_nearer(x, &codes, &steps) {
        block.fill(0);
        return true;
    }
    pack(&codes, block);
    true
}

/// Whether the values are nearer to zero than to what the codes stand for.
#[cold]
fn zero_is_nearer(x: &[f32; LEN], codes: &[u8; LEN], steps: &[f32; LEN / GROUP]) -> bool {
    let (mut error, mut energy) = (0.0_f32, 0.0_f32);
    for (i, (x, &code)) in x.iter().zip(codes).enumerate() {
        let off = x - steps[i / GROUP] * (f32::from(code) - ZERO);
        error += off * off;
        energy += x * x;
    }
    error > energy
}

/// The scale of each group, and the inverse that its codes are found with.
#[inline(always)]
fn search<L: Lanes>(x: &Values<L, GROUP>) -> ([f32; LANES], [f32; LANES]) {
    let zero = L::all(0.0);
    let farthest = farthest(x);
    let mut inverse = L::all(-ZERO).over(farthest);
    let (products, squares) = sums(x, inverse);
    let mut scale = squares.if_positive(products.over(squares), zero);
    let mut best = scale.times(products);
    for trial in (-9..10).filter(|&trial| trial != 0) {
        let candidate = L::all(-(ZERO + 0.1 * trial as f32)).over(farthest);
        let (products, squares) = sums(x, candidate);
        let more = products.times(products).minus(best.times(squares));
        let better = squares.if_positive(more, zero);
        let this = products.over(squares);
        inverse = better.if_positive(candidate, inverse);
        scale = better.if_positive(this, scale);
        best = better.if_positive(this.times(products), best);
    }
    let small = L::all(SMALLEST).minus(farthest.magnitude());
    (
        small.if_positive(zero, scale).to_array(),
        inverse.to_array(),
    )
}

/// Of the codes at an inverse scale: Σ w·x·code and Σ w·code², with w = x².
#[inline(always)]
fn sums<L: Lanes>(x: &Values<L, GROUP>, inverse: L) -> (L, L) {
    let (mut products, mut squares) = (L::all(0.0), L::all(0.0));
    for &x in x {
        let code = LEVELS.nearest(inverse.times(x));
        let weight = x.times(x);
        products = products.plus(weight.times(x).times(code));
        squares = squares.plus(weight.times(code).times(code));
    }
    (products, squares)
}

/// Half to even, of at most 2²² in magnitude.
#[inline(always)]
fn nearest(x: f32) -> f32 {
    (x + MAGIC) - MAGIC
}

/// The code of a quotient.
#[inline(always)]
fn code_of(quotient: f32) -> f32 {
    // Not `clamp`: comparisons are two instructions. They come first, so that any quotient is
    // within what `nearest` takes; the bounds are integers, so that is the same.
    let code = if quotient > -ZERO { quotient } else { -ZERO };
    nearest(if code < ZERO - 1.0 { code } else { ZERO - 1.0 })
}

#[inline(always)]
fn pack(codes: &[u8; LEN], block: &mut [u8; BYTES]) {
    for (part, codes) in codes.as_chunks::<128>().0.iter().enumerate() {
        for at in 0..32 {
            let run = |i: usize| codes[32 * i + at];
            block[64 * part + at] = run(0) & 15 | (run(2) & 15) << 4;
            block[64 * part + 32 + at] = run(1) & 15 | (run(3) & 15) << 4;
            let high = |i: usize| (run(i) >> 4) << (2 * i);
            block[128 + 32 * part + at] = high(0) | high(1) | high(2) | high(3);
        }
    }
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<LEN, BYTES>(bytes, values) {
        let d = half::read(block[208], block[209]);
        for (i, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (part, run) = (i / 4, i % 4);
            let low = &block[64 * part + 32 * (run % 2)..][..32];
            let high = &block[128 + 32 * part..][..32];
            let (low_shift, high_shift) = (run / 2 * 4, run * 2);
            // A scale for each 16 values.
            let scale = |j: usize| d * f32::from(block[192 + 2 * i + j] as i8);
            let scales = [scale(0), scale(1)];
            for (j, x) in x.iter_mut().enumerate() {
                let q = (low[j] >> low_shift) & 15 | ((high[j] >> high_shift) & 3) << 4;
                *x = scales[j / 16] * f32::from(q as i8 - 32);
            }
        }
    }
}
