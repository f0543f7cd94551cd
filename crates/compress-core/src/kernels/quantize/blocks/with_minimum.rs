//! Formats whose blocks have a scale and a minimum: the smallest value becomes 0, the largest the
//! largest code.

use super::affine::Search;
use super::bytes::{inverse, written};
use super::q4_0::truncate;
use crate::kernels::half;
use crate::kernels::reduce::{min_max_keys, of_key};

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

/// Writes the blocks with codes up to `TOP`; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize<const TOP: u8, const BYTES: usize>(
    values: &[f32],
    bytes: &mut [u8],
    write: impl Fn(&mut [u8; BYTES], u16, u16, &[u8; LEN]),
) -> bool {
    let mut fine = true;
    for (x, block) in written::<LEN, BYTES>(values, bytes) {
        let (low, range) = min_and_range(x);
        let d = range / f32::from(TOP);
        let inverse = inverse(d);
        let (scale, min) = (half::from_f32(d), half::from_f32(low));
        fine &= half::is_finite(scale) & half::is_finite(min);
        let mut codes = [0; LEN];
        for (code, &x) in codes.iter_mut().zip(x) {
            *code = truncate::<TOP>((x - low) * inverse + 0.5);
        }
        write(block, scale, min, &codes);
    }
    fine
}

/// The smallest value, and how far the largest lies from it. Of zeros of both signs the first is
/// the smallest, as in ggml's search.
#[inline(always)]
fn min_and_range(x: &[f32; LEN]) -> (f32, f32) {
    let (low, high) = min_max_keys(x);
    let (mut low, high) = (of_key(low), of_key(high));
    if low == 0.0 {
        low = first_zero(x);
    }
    (low, high - low)
}

#[cold]
fn first_zero(x: &[f32; LEN]) -> f32 {
    x.iter().copied().find(|&x| x == 0.0).unwrap_or(0.0)
}
