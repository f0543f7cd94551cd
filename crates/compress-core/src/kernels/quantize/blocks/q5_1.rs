//! `Q5_1`: the smallest value becomes 0, and the largest 31.
//!
//! # References
//! ggml, `quantize_row_q5_1_ref` and `dequantize_row_q5_1`.

use super::affine::{self, Search};
use super::bytes::{PLACES, SHIFTS, of_five_bits, read, twice};
use super::importance::Importance;
use super::lanes::Lanes;
use super::with_minimum::{self, LEN};
use crate::kernels::half;

const BYTES: usize = 24;
/// The largest code.
const TOP: u8 = 31;

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
    let [d0, d1, m0, m1, h0, h1, h2, h3, q @ ..] = block;
    [*d0, *d1] = d.to_le_bytes();
    [*m0, *m1] = m.to_le_bytes();
    let (low, high) = of_five_bits(codes);
    [*h0, *h1, *h2, *h3] = high.to_le_bytes();
    *q = low;
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
