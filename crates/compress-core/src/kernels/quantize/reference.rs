//! The specification: plain loops over sets of values, compiled at every level.

use super::steps::{Steps, scale_and_zero, scale_of};
use crate::kernels::levels::by_level;
use crate::kernels::reduce::{absmax_bits, min_max_keys, of_key};

by_level! {
    /// Writes the scale of each run of `set` values whose codes reach `top` at the largest
    /// magnitude. Returns the largest magnitude's bits; where they are not finite, the scales
    /// are of no use.
    pub(super) fn symmetric_at(x: &[f32], set: usize, top: i32, scales: &mut [f32]) -> u32
        = symmetric;
    /// Writes scale and zero point of each run of `set` values, so that the codes from 0 to
    /// `top` span them. Returns as [`symmetric_at`].
    pub(super) fn affine_at(
        x: &[f32], set: usize, top: i32, scales: &mut [f32], zeros: &mut [i32],
    ) -> u32 = affine;
    /// Writes the code of each value; each run of `set` values has one of the scales, and one of
    /// the zero points unless there are none. Returns the largest magnitude's bits.
    pub(super) fn encode_i8_at(
        x: &[f32], set: usize, scales: &[f32], zeros: &[i32], range: (i32, i32), codes: &mut [i8],
    ) -> u32 = encode::<i8>;
    pub(super) fn encode_u8_at(
        x: &[f32], set: usize, scales: &[f32], zeros: &[i32], range: (i32, i32), codes: &mut [u8],
    ) -> u32 = encode::<u8>;
    pub(super) fn encode_i16_at(
        x: &[f32], set: usize, scales: &[f32], zeros: &[i32], range: (i32, i32), codes: &mut [i16],
    ) -> u32 = encode::<i16>;
    pub(super) fn encode_u16_at(
        x: &[f32], set: usize, scales: &[f32], zeros: &[i32], range: (i32, i32), codes: &mut [u16],
    ) -> u32 = encode::<u16>;
    /// Packs two codes into each byte, the first into the low half; an odd last code alone.
    pub(super) fn pack_at(codes: &[u8], packed: &mut [u8]) = pack;
    /// `scale · (code − zero)` for each code; `zero` where there are no zero points.
    pub(super) fn decode_i8_at(
        codes: &[i8], set: usize, scales: &[f32], zeros: &[i32], zero: i32, x: &mut [f32],
    ) = decode::<i8>;
    pub(super) fn decode_u8_at(
        codes: &[u8], set: usize, scales: &[f32], zeros: &[i32], zero: i32, x: &mut [f32],
    ) = decode::<u8>;
    /// The halves of each byte, the low one first, after flipping the bits `flip` of both.
    pub(super) fn unpack_at(packed: &[u8], flip: u8, codes: &mut [u8]) = unpack;
}

#[inline(always)]
fn symmetric(x: &[f32], set: usize, top: i32, scales: &mut [f32]) -> u32 {
    let mut largest = 0;
    for (x, scale) in x.chunks(set).zip(scales) {
        let bits = absmax_bits(x);
        largest = largest.max(bits);
        *scale = scale_of(f32::from_bits(bits).into(), top);
    }
    largest
}

#[inline(always)]
fn affine(x: &[f32], set: usize, top: i32, scales: &mut [f32], zeros: &mut [i32]) -> u32 {
    let mut largest = 0;
    for ((x, scale), zero) in x.chunks(set).zip(scales).zip(zeros) {
        let (low, high) = min_max_keys(x);
        let (low, high) = (of_key(low), of_key(high));
        for end in [low, high] {
            largest = largest.max(end.abs().to_bits());
        }
        (*scale, *zero) = scale_and_zero(low, high, top);
    }
    largest
}

/// How a code is stored.
trait Code: Copy + Into<i32> {
    /// The code of a step, given as [`Steps::step_bits`].
    fn of(step_bits: u32, zero: i32) -> Self;
}

impl Code for i8 {
    #[inline(always)]
    fn of(step_bits: u32, zero: i32) -> Self {
        (step_bits as i8).wrapping_add(zero as i8)
    }
}

impl Code for u8 {
    #[inline(always)]
    fn of(step_bits: u32, zero: i32) -> Self {
        (step_bits as u8).wrapping_add(zero as u8)
    }
}

impl Code for i16 {
    #[inline(always)]
    fn of(step_bits: u32, zero: i32) -> Self {
        (step_bits as i16).wrapping_add(zero as i16)
    }
}

impl Code for u16 {
    #[inline(always)]
    fn of(step_bits: u32, zero: i32) -> Self {
        (step_bits as u16).wrapping_add(zero as u16)
    }
}

#[inline(always)]
fn encode<C: Code>(
    x: &[f32],
    set: usize,
    scales: &[f32],
    zeros: &[i32],
    range: (i32, i32),
    codes: &mut [C],
) -> u32 {
    let mut largest = 0;
    let sets = x.chunks(set).zip(codes.chunks_mut(set)).zip(scales);
    for (i, ((x, codes), &scale)) in sets.enumerate() {
        let zero = zeros.get(i).copied().unwrap_or(0);
        let steps = Steps::new(scale, range, zero);
        for (code, &x) in codes.iter_mut().zip(x) {
            *code = C::of(steps.step_bits(x), zero);
            largest = largest.max(x.to_bits() & 0x7fff_ffff);
        }
    }
    largest
}

#[inline(always)]
fn pack(codes: &[u8], packed: &mut [u8]) {
    let pairs = codes.chunks_exact(2);
    let rest = pairs.remainder();
    for (byte, pair) in packed.iter_mut().zip(pairs) {
        *byte = (pair[0] & 15) | (pair[1] << 4);
    }
    if let (&[code], Some(byte)) = (rest, packed.get_mut(codes.len() / 2)) {
        *byte = code & 15;
    }
}

#[inline(always)]
fn unpack(packed: &[u8], flip: u8, codes: &mut [u8]) {
    let last = packed.get(codes.len() / 2).copied();
    let mut pairs = codes.chunks_exact_mut(2);
    for (pair, byte) in pairs.by_ref().zip(packed) {
        pair[0] = (byte & 15) ^ flip;
        pair[1] = (byte >> 4) ^ flip;
    }
    if let ([code], Some(byte)) = (pairs.into_remainder(), last) {
        *code = (byte & 15) ^ flip;
    }
}

#[inline(always)]
fn decode<C: Copy + Into<i32>>(
    codes: &[C],
    set: usize,
    scales: &[f32],
    zeros: &[i32],
    zero: i32,
    x: &mut [f32],
) {
    let sets = codes.chunks(set).zip(x.chunks_mut(set)).zip(scales);
    for (i, ((codes, x), &scale)) in sets.enumerate() {
        let zero = zeros.get(i).copied().unwrap_or(zero);
        for (x, &code) in x.iter_mut().zip(codes) {
            let code: i32 = code.into();
            // Exact, as both are codes.
            *x = scale * (code - zero) as f32;
        }
    }
}
