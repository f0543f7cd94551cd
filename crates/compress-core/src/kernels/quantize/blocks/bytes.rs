//! Blocks beside their values, and what their scales are divided by.

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
