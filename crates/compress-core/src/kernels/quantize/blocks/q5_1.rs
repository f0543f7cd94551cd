//! `Q5_1`: the smallest value becomes 0, and the largest 31.
//!
//! # References
//! ggml, `quantize_row_q5_1_ref` and `dequantize_row_q5_1`.

use super::affine::{self, Search};
use super::bytes::{PLACES, SHIFTS, read, twice};
use super::groups::FiveBits;
use super::importance::Importance;
use super::lanes::Lanes;
use super::with_minimum::{self, LEN};
use crate::kernels::half;

const BYTES: usize = 24;
/// The largest code.
const TOP: f32 = 31.0;

const SEARCH: Search = with_minimum::search(TOP);

/// Whether all scales are finite.
#[inline(always)]
pub(super) fn quantize<L: Lanes>(values: &[f32], _even: Importance<'_>, bytes: &mut [u8]) -> bool {
    with_minimum::quantize::<L, FiveBits, BYTES>(values, bytes, TOP, write)
}

/// Writes the blocks whose errors have the least sum by importance; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize_weighted<L: Lanes>(
    values: &[f32],
    importance: Importance<'_>,
    bytes: &mut [u8],
) -> bool {
    affine::write_single::<L, FiveBits, BYTES>((values, importance, bytes), SEARCH, write)
}

/// Writes a block.
#[inline(always)]
fn write(block: &mut [u8; BYTES], d: u16, m: u16, (low, high): &([u8; 16], [u8; 4])) {
    let [d0, d1, m0, m1, h0, h1, h2, h3, q @ ..] = block;
    [*d0, *d1] = d.to_le_bytes();
    [*m0, *m1] = m.to_le_bytes();
    [*h0, *h1, *h2, *h3] = *high;
    *q = *low;
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for ([d0, d1, m0, m1, h0, h1, h2, h3, q @ ..], x) in read::<LEN, BYTES>(bytes, values) {
        let (d, m) = (half::read(*d0, *d1), half::read(*m0, *m1));
        let word = u32::from_le_bytes([*h0, *h1, *h2, *h3]);
        let codes = twice(q);
        let codes = codes.iter().zip(&SHIFTS).zip(&PLACES);
        for (x, ((&q, shift), place)) in x.iter_mut().zip(codes) {
            let low = (i32::from(q) >> shift) & 15;
            let high = (word >> place & 1) as i32 * 16;
            *x = d * (low | high) as f32 + m;
        }
    }
}
