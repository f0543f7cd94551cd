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

use super::bytes::{read, written};
use crate::kernels::half;
use crate::kernels::quantize::steps::MAGIC;

const LEN: usize = 256;
const BYTES: usize = 210;
/// Values that share a scale.
const GROUP: usize = 16;
/// Codes run from −32 to 31, stored 32 higher.
const ZERO: f32 = 32.0;
/// A group whose largest magnitude is below this is zero, in ggml's search.
const SMALLEST: f32 = 1e-15;

/// Whether all scales are finite.
#[inline(always)]
pub(super) fn quantize(values: &[f32], bytes: &mut [u8]) -> bool {
    let mut fine = true;
    for (x, block) in written::<LEN, BYTES>(values, bytes) {
        fine &= quantize_block(x, block);
    }
    fine
}

#[inline(always)]
fn quantize_block(x: &[f32; LEN], block: &mut [u8; BYTES]) -> bool {
    let mut codes = [ZERO as u8; LEN];
    let mut scales = [0.0_f32; LEN / GROUP];
    let (mut farthest, mut finite) = (0.0_f32, true);
    let groups = x.as_chunks::<GROUP>().0.iter();
    for ((x, codes), scale) in groups.zip(codes.as_chunks_mut().0).zip(&mut scales) {
        finite &= x.iter().fold(true, |all, x| all & x.is_finite());
        *scale = search(x, codes);
        finite &= scale.is_finite();
        farthest = if scale.abs() > farthest.abs() {
            *scale
        } else {
            farthest
        };
    }
    // Halves beyond the largest are for the caller to refuse.
    block[208..].copy_from_slice(&0x7c00_u16.to_le_bytes());
    if !finite {
        return false;
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
    let (mut error, mut energy) = (0.0_f32, 0.0_f32);
    let groups = x.as_chunks::<GROUP>().0.iter();
    let each = groups.zip(codes.as_chunks_mut::<GROUP>().0).zip(&scales);
    for (((x, codes), scale), byte) in each.zip(&mut block[192..208]) {
        let multiple = nearest(inverse_stored * scale).clamp(-128.0, 127.0);
        *byte = multiple as i8 as u8;
        let d = half::to_f32(stored) * multiple;
        for (&x, code) in x.iter().zip(codes) {
            if d != 0.0 {
                *code = (code_of(x / d) + ZERO) as u8;
            }
            let off = x - d * (f32::from(*code) - ZERO);
            error += off * off;
            energy += x * x;
        }
    }
    if coarse && error > energy {
        block.fill(0);
        return true;
    }
    pack(&codes, block);
    true
}

/// The scale of a group, and its codes.
#[inline(always)]
fn search(x: &[f32; GROUP], codes: &mut [u8; GROUP]) -> f32 {
    let mut farthest = 0.0_f32;
    for &x in x {
        farthest = if x.abs() > farthest.abs() {
            x
        } else {
            farthest
        };
    }
    if farthest.abs() < SMALLEST {
        codes.fill(0);
        return 0.0;
    }
    // Of the codes at an inverse scale: Σ w·x·code and Σ w·code², with w = x².
    let sums = |inverse: f32| {
        let (mut products, mut squares) = (0.0, 0.0);
        for &x in x {
            let code = code_of(inverse * x);
            let weight = x * x;
            products += weight * x * code;
            squares += weight * code * code;
        }
        (products, squares)
    };
    let mut inverse = -ZERO / farthest;
    let (products, squares) = sums(inverse);
    let mut scale = if squares == 0.0 {
        0.0
    } else {
        products / squares
    };
    let mut best = scale * products;
    for trial in (-9..10).filter(|&trial| trial != 0) {
        let candidate = -(ZERO + 0.1 * trial as f32) / farthest;
        let (products, squares) = sums(candidate);
        if squares > 0.0 && products * products > best * squares {
            (inverse, scale) = (candidate, products / squares);
            best = scale * products;
        }
    }
    for (code, &x) in codes.iter_mut().zip(x) {
        *code = (code_of(inverse * x) + ZERO) as u8;
    }
    scale
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
