//! `Q4_0`: the value of largest magnitude becomes −8, with the scale's sign making up for its.
//!
//! # References
//! ggml, `quantize_row_q4_0_ref`.

use super::half;
use super::q8_0::inverse;

const LEN: usize = 32;
const BYTES: usize = 18;

/// Whether all scales are finite.
#[inline(always)]
pub(super) fn quantize(values: &[f32], bytes: &mut [u8]) -> bool {
    let mut fine = true;
    let (values, bytes) = (
        values.as_chunks::<LEN>().0,
        bytes.as_chunks_mut::<BYTES>().0,
    );
    for (x, block) in values.iter().zip(bytes) {
        let d = farthest(x) / -8.0;
        let inverse = inverse(d);
        let scale = half::from_f32(d);
        fine &= scale & 0x7c00 != 0x7c00;
        let [s0, s1, q @ ..] = block;
        [*s0, *s1] = scale.to_le_bytes();
        let code = |x: f32| ((x * inverse + 8.5) as i32).min(15) as u8;
        for (i, q) in q.iter_mut().enumerate() {
            *q = code(x[i]) | (code(x[i + LEN / 2]) << 4);
        }
    }
    fine
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    let (values, bytes) = (
        values.as_chunks_mut::<LEN>().0,
        bytes.as_chunks::<BYTES>().0,
    );
    for (x, [s0, s1, q @ ..]) in values.iter_mut().zip(bytes) {
        let d = half::to_f32(u16::from_le_bytes([*s0, *s1]));
        let (low, high) = x.split_at_mut(LEN / 2);
        for ((low, high), &q) in low.iter_mut().zip(high).zip(q) {
            *low = d * f32::from((q & 15) as i8 - 8);
            *high = d * f32::from((q >> 4) as i8 - 8);
        }
    }
}

/// The value of largest magnitude; of several the first.
#[inline(always)]
fn farthest(x: &[f32; LEN]) -> f32 {
    let most = x
        .iter()
        .fold(0, |most, x| (x.to_bits() & 0x7fff_ffff).max(most));
    // Bit i where value i is of that magnitude, and where it is negative.
    let (mut there, mut negative) = (0u32, 0u32);
    for (i, x) in x.iter().enumerate() {
        there |= u32::from(x.to_bits() & 0x7fff_ffff == most) << i;
        negative |= (x.to_bits() >> 31) << i;
    }
    let first = there & there.wrapping_neg();
    // A block of zeros counts as positive, as ggml's search that starts from +0 has it.
    let sign = u32::from(negative & first != 0 && most != 0);
    f32::from_bits(most | sign << 31)
}
