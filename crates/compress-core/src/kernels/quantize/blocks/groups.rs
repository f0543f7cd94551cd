//! Sixteen groups of values at once, each in a lane of its own.

use super::lanes::{LANES, Lanes};
use crate::kernels::half;

/// Value i of each group.
pub(super) type Values<L, const GROUP: usize> = [L; GROUP];

/// The groups of consecutive values, of 16 values or a multiple; zeros where there are no values.
#[inline(always)]
pub(super) fn transpose<L: Lanes, const GROUP: usize>(values: &[f32]) -> Values<L, GROUP> {
    let mut x = [L::all(0.0); GROUP];
    let groups = values.as_chunks::<GROUP>().0;
    for (i, x) in x.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        for (x, group) in x.iter_mut().zip(groups) {
            *x = L::load(&group.as_chunks().0[i]);
        }
        L::transpose(x);
    }
    x
}

/// Codes from 0 to 255, group after group.
#[inline(always)]
pub(super) fn codes<L: Lanes, const GROUP: usize>(
    levels: &Values<L, GROUP>,
) -> [[u8; GROUP]; LANES] {
    let mut codes = [[0; GROUP]; LANES];
    let byte = L::all(256.0);
    for (i, [a, b, c, d]) in levels.as_chunks().0.iter().enumerate() {
        let words = L::to_words(b.mul_add(byte, *a), d.mul_add(byte, *c));
        for (codes, word) in codes.iter_mut().zip(words) {
            codes.as_chunks_mut().0[i] = word.to_le_bytes();
        }
    }
    codes
}

/// Each lane's share of a factor a block.
#[inline(always)]
pub(super) fn spread<L: Lanes, const BLOCKS: usize>(factors: [u16; BLOCKS]) -> L {
    let mut lanes = [0.0; LANES];
    for (lanes, factor) in lanes.chunks_mut(LANES / BLOCKS).zip(factors) {
        lanes.fill(half::to_f32(factor));
    }
    L::load(&lanes)
}

/// The sum over the groups of each block.
#[inline(always)]
pub(super) fn sums<L: Lanes, const BLOCKS: usize>(x: L) -> [f32; BLOCKS] {
    let x = x.to_array();
    let groups = LANES / BLOCKS;
    std::array::from_fn(|b| x[b * groups..][..groups].iter().sum())
}

/// `1 / x`; 0 where `x` is 0.
#[inline(always)]
pub(super) fn inverse<L: Lanes>(x: L) -> L {
    let zero = L::all(0.0);
    x.at_least(zero.minus(x))
        .if_positive(L::all(1.0).over(x), zero)
}
