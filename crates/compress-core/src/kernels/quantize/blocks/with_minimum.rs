//! Formats whose blocks have a scale and a minimum: the smallest value becomes 0, the largest the
//! largest code.

use super::affine::Search;
use super::groups::{Packing, finite_inverse, transpose};
use super::lanes::{LANES, Lanes};
use crate::kernels::half;
use crate::kernels::reduce::{INFINITE, absmax_bits};

pub(super) const LEN: usize = 32;

/// How the scale and the minimum are looked for where values have an importance.
pub(super) const fn search(top: f32) -> Search {
    Search {
        top,
        first: top - 0.9,
        step: 0.05,
        trials: 37,
        descents: 4,
        moving: true,
        any_minimum: true,
    }
}

/// Writes the blocks with codes up to `top`, 16 at once; whether all scales are finite. `write` is
/// given a block's scale, minimum and codes, as `P` packs them.
#[inline(always)]
pub(super) fn quantize<L: Lanes, P: Packing, const BYTES: usize>(
    values: &[f32],
    bytes: &mut [u8],
    top: f32,
    write: impl Fn(&mut [u8; BYTES], u16, u16, &P::Bytes),
) -> bool {
    let mut fine = true;
    let blocks = bytes.chunks_mut(LANES * BYTES);
    for (values, bytes) in values.chunks(LANES * LEN).zip(blocks) {
        fine &= absmax_bits(values) < INFINITE;
        let mut x = transpose::<L, LEN>(values);
        // Of zeros of both signs the first is the smallest, as in ggml's search.
        let (mut low, mut high) = (x[0], x[0]);
        for x in &x[1..] {
            low = x.at_most(low);
            high = x.at_least(high);
        }
        let d = high.minus(low).over(L::all(top));
        let inverse = finite_inverse(d);
        for x in &mut x {
            let code = x.minus(low).times(inverse).plus(L::all(0.5));
            *x = code.truncate().at_most(L::all(top));
        }
        let (scales, minima, codes) = (d.to_halves(), low.to_halves(), P::pack(&x));
        for (lane, block) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
            fine &= half::is_finite(scales[lane]) & half::is_finite(minima[lane]);
            write(block, scales[lane], minima[lane], &codes[lane]);
        }
    }
    fine
}
