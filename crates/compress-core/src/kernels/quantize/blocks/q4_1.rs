//! `Q4_1`: the smallest value becomes 0, and the largest 15.
//!
//! # References
//! ggml, `quantize_row_q4_1_ref` and `dequantize_row_q4_1`.

use super::affine::{self, Search};
use super::bytes::{SHIFTS, of_nibbles, read, twice};
use super::importance::Importance;
use super::lanes::Lanes;
use super::with_minimum::{self, LEN};
use crate::kernels::half;

const BYTES: usize = 20;
/// The largest code.
const TOP: u8 = 15;

const SEARCH: Search = with_minimum::search(TOP as f32);

/// Whether all scales are finite.
#[inline(always)]
pub(super) fn quantize(values: &[f32], bytes: &mut [u8]) -> bool {
    with_minimum::quantize::<TOP, BYTES>(values, bytes, write)
}

/// Writes the blocks whose errors have the least sum by importance; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize_weighted<L: Lanes>(
    values: &[f32],
    importance: Importance<'_>,
    bytes: &mut [u8],
) -> bool {
    affine::write_single::<L, BYTES>((values, importance, bytes), SEARCH, write)
}

/// Writes a block.
#[inline(always)]
fn write(block: &mut [u8; BYTES], d: u16, m: u16, codes: &[u8; LEN]) {
    let [d0, d1, m0, m1, q @ ..] = block;
    [*d0, *d1] = d.to_le_bytes();
    [*m0, *m1] = m.to_le_bytes();
    *q = of_nibbles(codes);
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
