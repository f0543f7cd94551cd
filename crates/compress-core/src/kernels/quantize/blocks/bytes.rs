//! Blocks beside their values, codes of few bits in bytes, and what scales are divided by.

use crate::kernels::quantize::steps::MAGIC;

/// The values of each block that is written, and its bytes.
#[inline(always)]
pub(super) fn written<'a, const LEN: usize, const BYTES: usize>(
    values: &'a [f32],
    bytes: &'a mut [u8],
) -> impl Iterator<Item = (&'a [f32; LEN], &'a mut [u8; BYTES])> {
    let (values, bytes) = (values.as_chunks().0, bytes.as_chunks_mut().0);
    values.iter().zip(bytes)
}

/// The bytes of each block that is read, and its values.
#[inline(always)]
pub(super) fn read<'a, const LEN: usize, const BYTES: usize>(
    bytes: &'a [u8],
    values: &'a mut [f32],
) -> impl Iterator<Item = (&'a [u8; BYTES], &'a mut [f32; LEN])> {
    let (bytes, values) = (bytes.as_chunks().0, values.as_chunks_mut().0);
    bytes.iter().zip(values)
}

/// `1 / d`; 0 where that is not finite, and the scale zero in half precision.
#[inline(always)]
pub(super) fn inverse(d: f32) -> f32 {
    let inverse = 1.0 / d;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// The byte of each code of four bits: the low halves of 16 bytes, and then the high ones. One loop
/// over all 32 and [`SHIFTS`] becomes vectors; two of 16 would be unrolled, byte by byte, and so
/// would one that writes codes alone.
#[inline(always)]
pub(super) fn twice(q: &[u8; 16]) -> [u8; 32] {
    let mut twice = [0; 32];
    twice[..16].copy_from_slice(q);
    twice[16..].copy_from_slice(q);
    twice
}

/// Where the code of a value is in its byte.
pub(super) const SHIFTS: [i32; 32] = {
    let mut shifts = [0; 32];
    let mut i = 16;
    while i < 32 {
        shifts[i] = 4;
        i += 1;
    }
    shifts
};

/// Where the fifth bit of a value's code is in its word.
pub(super) const PLACES: [u32; 32] = {
    let mut places = [0; 32];
    let mut i = 0;
    while i < 32 {
        places[i] = i as u32;
        i += 1;
    }
    places
};

/// The low four bits of 32 codes as [`twice`] reads them; bits above are left out.
#[inline(always)]
pub(super) fn of_nibbles(codes: &[u8; 32]) -> [u8; 16] {
    const LOW: u128 = u128::from_le_bytes([15; 16]);
    // A loop of 16 bytes would be unrolled, byte by byte, and `array::from_fn` be a call.
    let (halves, _) = codes.as_chunks::<16>();
    let (low, high) = (
        u128::from_le_bytes(halves[0]),
        u128::from_le_bytes(halves[1]),
    );
    (low & LOW | (high & LOW) << 4).to_le_bytes()
}

/// Run `i` of 32 codes of two bits, four runs to each 32 bytes.
#[inline(always)]
pub(super) fn two_bits(q: &[u8], i: usize) -> [u8; 32] {
    let mut codes = [0; 32];
    for (code, q) in codes.iter_mut().zip(&q[i / 4 * 32..][..32]) {
        *code = q >> (i % 4 * 2) & 3;
    }
    codes
}

/// Run `i` of 32 codes of four bits, two runs to each 32 bytes.
#[inline(always)]
pub(super) fn four_bits(q: &[u8], i: usize) -> [u8; 32] {
    let mut codes = [0; 32];
    for (code, q) in codes.iter_mut().zip(&q[i / 2 * 32..][..32]) {
        *code = q >> (i % 2 * 4) & 15;
    }
    codes
}

/// The low four bits of codes of five as [`of_nibbles`], and the fifth ones in four bytes.
#[inline(always)]
pub(super) fn of_five_bits(codes: &[u8; 32]) -> ([u8; 16], [u8; 4]) {
    let mut high = [0; 4];
    for (i, codes) in codes.as_chunks::<8>().0.iter().enumerate() {
        // Bit 4 of each byte, and then all eight side by side in the top byte.
        let bits = u64::from_le_bytes(*codes) >> 4 & 0x0101_0101_0101_0101;
        let byte = bits.wrapping_mul(0x0102_0408_1020_4080) >> 56;
        high[i] = byte as u8;
    }
    (of_nibbles(codes), high)
}

/// 256 codes of two bits as [`two_bits`] reads them; bits above are left out.
#[inline(always)]
pub(super) fn of_two_bits(codes: &[u8], q: &mut [u8]) {
    for (q, codes) in q.chunks_exact_mut(32).zip(codes.chunks_exact(128)) {
        for (l, q) in q.iter_mut().enumerate() {
            let code = |run: usize| (codes[32 * run + l] & 3) << (2 * run);
            *q = code(0) | code(1) | code(2) | code(3);
        }
    }
}

/// 256 codes of four bits as [`four_bits`] reads them; bits above are left out.
#[inline(always)]
pub(super) fn of_four_bits(codes: &[u8], q: &mut [u8]) {
    for (q, codes) in q.chunks_exact_mut(32).zip(codes.chunks_exact(64)) {
        for (l, q) in q.iter_mut().enumerate() {
            *q = codes[l] & 15 | (codes[32 + l] & 15) << 4;
        }
    }
}

/// Bit `bit` of 256 codes: that of code `32·i + j` is bit `i` of byte `j`.
#[inline(always)]
pub(super) fn of_high_bits(codes: &[u8], bit: u32, q: &mut [u8]) {
    q.fill(0);
    for (i, codes) in codes.chunks_exact(32).enumerate() {
        for (q, code) in q.iter_mut().zip(codes) {
            *q |= (code >> bit & 1) << i;
        }
    }
}

/// The low byte of a whole number from −2²² to 2²².
#[inline(always)]
pub(super) fn byte(x: f32) -> u8 {
    (x + MAGIC).to_bits() as u8
}
