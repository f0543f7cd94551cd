//! Unpacking: how each kind of codes becomes vectors, of integers for [`Simd::dot`] or of floats.

use super::panels::{Panels, VECTOR};
use super::simd::{Simd, Width};

/// How codes lie in memory.
pub(super) trait Codes: Width {
    /// Bytes of a half.
    const HALF_BYTES: usize;

    /// The codes of a half as bytes without sign, a quad a vector.
    ///
    /// # Safety
    /// `from` is the half's codes, from the tile's lane on.
    unsafe fn unpack<S: Simd>(weights: &Panels, from: *const u8) -> [S::I; 4];
}

/// Codes that stand for floats.
pub(super) trait Values: Codes {
    /// The values of codes, of which each lane holds one in its low bits, and anything above.
    ///
    /// # Safety
    /// The processor has the level.
    unsafe fn values<S: Simd>(weights: &Panels, codes: S::I) -> S::F;
}

/// Four bits.
pub(super) struct Nibbles;
/// Four bits that name one of 16 integers.
pub(super) struct Table;
/// Eight bits.
pub(super) struct Bytes;
/// Six bits.
pub(super) struct Six;

impl Width for Nibbles {
    const BITS: u32 = 4;
}

impl Codes for Nibbles {
    const HALF_BYTES: usize = 2 * VECTOR;

    #[inline(always)]
    unsafe fn unpack<S: Simd>(_: &Panels, from: *const u8) -> [S::I; 4] {
        // SAFETY: two vectors, by the contract.
        unsafe {
            let low = S::splat(0x0f0f_0f0f);
            let (a, b) = (S::load(from), S::load(from.add(VECTOR)));
            [
                S::and(a, low),
                S::and(S::shift_right(a, 4), low),
                S::and(b, low),
                S::and(S::shift_right(b, 4), low),
            ]
        }
    }
}

impl Values for Nibbles {
    #[inline(always)]
    unsafe fn values<S: Simd>(weights: &Panels, codes: S::I) -> S::F {
        // SAFETY: the table has 16 values.
        unsafe { S::lookup(weights.values.as_ptr(), codes) }
    }
}

impl Width for Table {
    const BITS: u32 = 8;
}

impl Codes for Table {
    const HALF_BYTES: usize = Nibbles::HALF_BYTES;

    #[inline(always)]
    unsafe fn unpack<S: Simd>(weights: &Panels, from: *const u8) -> [S::I; 4] {
        // SAFETY: as for nibbles; the table has 16 bytes.
        unsafe {
            let codes = Nibbles::unpack::<S>(weights, from);
            let table = weights.steps.as_ptr();
            [
                S::lookup_bytes(table, codes[0]),
                S::lookup_bytes(table, codes[1]),
                S::lookup_bytes(table, codes[2]),
                S::lookup_bytes(table, codes[3]),
            ]
        }
    }
}

impl Width for Bytes {
    const BITS: u32 = 8;
}

impl Codes for Bytes {
    const HALF_BYTES: usize = 4 * VECTOR;

    #[inline(always)]
    unsafe fn unpack<S: Simd>(_: &Panels, from: *const u8) -> [S::I; 4] {
        // SAFETY: four vectors, by the contract.
        unsafe {
            [
                S::load(from),
                S::load(from.add(VECTOR)),
                S::load(from.add(2 * VECTOR)),
                S::load(from.add(3 * VECTOR)),
            ]
        }
    }
}

impl Values for Bytes {
    #[inline(always)]
    unsafe fn values<S: Simd>(_: &Panels, codes: S::I) -> S::F {
        // SAFETY: passed on from the caller.
        unsafe { centred::<S>(codes, 0xff, -128.0) }
    }
}

impl Width for Six {
    const BITS: u32 = 6;
}

impl Codes for Six {
    const HALF_BYTES: usize = 3 * VECTOR;

    #[inline(always)]
    unsafe fn unpack<S: Simd>(weights: &Panels, from: *const u8) -> [S::I; 4] {
        // SAFETY: three vectors, by the contract.
        unsafe {
            let low = Nibbles::unpack::<S>(weights, from);
            let high = S::load(from.add(2 * VECTOR));
            let mask = S::splat(0x3030_3030);
            [
                S::or(low[0], S::and(S::shift_left(high, 4), mask)),
                S::or(low[1], S::and(S::shift_left(high, 2), mask)),
                S::or(low[2], S::and(high, mask)),
                S::or(low[3], S::and(S::shift_right(high, 2), mask)),
            ]
        }
    }
}

impl Values for Six {
    #[inline(always)]
    unsafe fn values<S: Simd>(_: &Panels, codes: S::I) -> S::F {
        // SAFETY: passed on from the caller.
        unsafe { centred::<S>(codes, 0x3f, -32.0) }
    }
}

/// The integer in the low bits `mask` of each lane, plus `offset`.
///
/// # Safety
/// The processor has the level.
#[inline(always)]
unsafe fn centred<S: Simd>(codes: S::I, mask: i32, offset: f32) -> S::F {
    // SAFETY: by the contract.
    unsafe {
        let code = S::to_f32(S::and(codes, S::splat(mask)));
        // Exact, as both are small integers.
        S::fma(code, S::splat_f32(1.0), S::splat_f32(offset))
    }
}
