//! `Q4_1`: the smallest value becomes 0, and the largest 15.
//!
//! # References
//! ggml, `quantize_row_q4_1_ref` and `dequantize_row_q4_1`.

use super::affine::{self, Search};
use super::bytes::{SHIFTS, read, twice};
use super::groups::Nibbles;
use super::importance::Importance;
use super::lanes::Lanes;
use super::with_minimum::{self, LEN};
use crate::kernels::half;

const BYTES: usize = 20;
/// The largest code.
const TOP: f32 = 15.0;

const SEARCH: Search = with_minimum::search(TOP);

/// Whether all scales are finite.
#[inline(always)]
pub(super) fn quantize<L: Lanes>(values: &[f32], _even: Importance<'_>, bytes: &mut [u8]) -> bool {
    with_minimum::quantize::<L, Nibbles, BYTES>(values, bytes, TOP, write)
}

/// Writes the blocks whose errors have the least sum by importance; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize_weighted<L: Lanes>(
    values: &[f32],
    importance: Importance<'_>,
    bytes: &mut [u8],
) -> bool {
    affine::write_single::<L, Nibbles, BYTES>((values, importance, bytes), SEARCH, write)
}

/// Writes a block.
#[inline(always)]
fn write(block: &mut [u8; BYTES], d: u16, m: u16, codes: &[u8; LEN / 2]) {
    let [d0, d1, m0, m1, q @ ..] = block;
    [*d0, *d1] = d.to_le_bytes();
    [*m0, *m1] = m.to_le_bytes();
    *q = *codes;
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for ([d0, d1, m0, m1, q @ ..], x) in read::<LEN, BYTES>(bytes, values) {
        let (d, m) = (half::read(*d0, *d1), half::read(*m0, *m1));
        for ((x, &q), shift) in x.iter_mut().zip(&twice(q)).zip(&SHIFTS) {
            *x = d * ((i32::from(q) >> shift) & 15) as f32 + m;
        }
    }
}
