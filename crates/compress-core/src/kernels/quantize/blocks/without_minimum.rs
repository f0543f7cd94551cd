//! Formats whose blocks have a scale alone: the value of largest magnitude becomes the lowest level,
//! with the scale's sign making up for its.

use super::groups::{Packing, farthest, finite_inverse, transpose};
use super::lanes::{LANES, Lanes};
use super::scaled::Whole;
use crate::kernels::half;
use crate::kernels::reduce::{INFINITE, absmax_bits};

const LEN: usize = 32;

/// Writes the blocks, 16 at once; whether all scales are finite. `write` is given a block's scale
/// and codes, as `P` packs them.
#[inline(always)]
pub(super) fn quantize<L: Lanes, P: Packing, const BYTES: usize>(
    values: &[f32],
    bytes: &mut [u8],
    levels: Whole,
    write: impl Fn(&mut [u8; BYTES], u16, &P::Bytes),
) -> bool {
    let mut fine = true;
    let blocks = bytes.chunks_mut(LANES * BYTES);
    for (values, bytes) in values.chunks(LANES * LEN).zip(blocks) {
        fine &= absmax_bits(values) < INFINITE;
        let mut x = transpose::<L, LEN>(values);
        // Of zeros +0, as in ggml's search.
        let farthest = farthest(&x);
        let farthest = farthest.magnitude().if_positive(farthest, L::all(0.0));
        let d = farthest.over(L::all(levels.low));
        let inverse = finite_inverse(d);
        for x in &mut x {
            let code = x.times(inverse).plus(L::all(0.5 - levels.low));
            *x = code.truncate().at_most(L::all(levels.high - levels.low));
        }
        let (scales, codes) = (d.to_halves(), P::pack(&x));
        for (lane, block) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
            fine &= half::is_finite(scales[lane]);
            write(block, scales[lane], &codes[lane]);
        }
    }
    fine
}
