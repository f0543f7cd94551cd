//! Sixteen groups of values at once, each in a lane of its own.

use super::lanes::{LANES, Lanes};
use crate::kernels::half;

/// Value i of each group.
pub(super) type Values<L, const GROUP: usize> = [L; GROUP];

/// The groups of consecutive values; zeros where there are no values.
#[inline(always)]
pub(super) fn transpose<L: Lanes, const GROUP: usize>(values: &[f32]) -> Values<L, GROUP> {
    let mut x = [[0.0; LANES]; GROUP];
    for (lane, group) in values.as_chunks::<GROUP>().0.iter().enumerate() {
        for (x, &value) in x.iter_mut().zip(group) {
            x[lane] = value;
        }
    }
    // `array::map` would be a call, compiled without the level's instructions.
    let mut lanes = [L::all(0.0); GROUP];
    for (lanes, x) in lanes.iter_mut().zip(&x) {
        *lanes = L::load(x);
    }
    lanes
}

/// The codes of levels, group after group.
#[inline(always)]
pub(super) fn codes<L: Lanes, const GROUP: usize>(
    levels: &Values<L, GROUP>,
    code: impl Fn(f32) -> u8,
) -> [[u8; GROUP]; LANES] {
    let mut codes = [[0; GROUP]; LANES];
    for (i, levels) in levels.iter().enumerate() {
        for (codes, level) in codes.iter_mut().zip(levels.to_array()) {
            codes[i] = code(level);
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
