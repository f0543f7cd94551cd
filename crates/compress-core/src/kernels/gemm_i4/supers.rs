//! Integer tiles of the K formats, whose superblocks of 256 have groups with integer scales.

#![allow(
    clippy::needless_range_loop,
    reason = "rows and vectors index several arrays and pointers at once"
)]

use super::codes::{Codes, Nibbles, Six};
use super::panels::{BLOCK, HALF, PANEL, SUPER};
use super::simd::Simd;
use super::tiles::{Block, Kernel, Tile, ask_codes, ask_scales};

/// Blocks of a superblock.
const BLOCKS: usize = SUPER / BLOCK;

/// `Q4_K`.
pub(super) struct SuperFour;
/// `Q6_K`.
pub(super) struct SuperSix;

impl Kernel for SuperFour {
    #[inline(always)]
    unsafe fn run<S: Simd, const V: usize, const R: usize>(t: &Tile<'_>) {
        let w = t.weights;
        let rows = if R == 1 { 1 } else { t.rows.min(R) };
        let (next_codes, next_scales) = (w.panel_codes(), w.panel_scales());
        let unit_bytes = w.unit_bytes();
        // SAFETY: by the contract of `Tile`.
        unsafe {
            let zero = S::splat_f32(0.0);
            let mut sums = [[zero; V]; R];
            for row in 0..rows {
                for v in 0..V {
                    sums[row][v] = t.start::<S>(v);
                }
            }
            let (mut codes, mut unit) = (t.codes.add(4 * t.lane), t.scales);
            let (mut x, mut scales, mut terms) = (t.codes_x, t.scales_x, t.terms);
            for _ in 0..w.k / SUPER {
                if R == 1 {
                    ask_scales::<S, V>(unit, unit_bytes, next_scales);
                }
                let mut dots = [[zero; V]; R];
                let mut integers = [([S::splat(0); 8], [S::splat(0); 4]); V];
                for v in 0..V {
                    integers[v] = fours::<S>(t, unit.add(v * next_scales));
                }
                for block in 0..BLOCKS {
                    if R == 1 {
                        ask_codes::<S, V>(codes, 2 * Nibbles::HALF_BYTES, next_codes);
                    }
                    let unpacked = Block::<S, V>::unpack::<Nibbles>(w, codes, next_codes);
                    let mut scale = [zero; V];
                    for v in 0..V {
                        scale[v] = S::to_f32(integers[v].0[block]);
                    }
                    for row in 0..rows {
                        let dot = unpacked.dot::<Nibbles>(0, x.add(row * BLOCK));
                        for v in 0..V {
                            dots[row][v] = S::fma(S::to_f32(dot[v]), scale[v], dots[row][v]);
                        }
                    }
                    codes = codes.add(2 * Nibbles::HALF_BYTES);
                    x = x.add(t.height * BLOCK);
                }
                for v in 0..V {
                    let unit = unit.add(v * next_scales);
                    let d = S::load_f16(unit.add(2 * t.lane));
                    let dmin = S::load_f16(unit.add(2 * (PANEL + t.lane)));
                    for row in 0..rows {
                        let scale = S::splat_f32(*scales.add(row));
                        let mut dot = S::splat(0);
                        for (pair, &minimum) in integers[v].1.iter().enumerate() {
                            let x = S::splat(*terms.add(4 * row + pair));
                            dot = S::dot_pairs(dot, minimum, x);
                        }
                        let least = S::mul(S::to_f32(dot), scale);
                        let sum = S::fma(d, S::mul(dots[row][v], scale), sums[row][v]);
                        sums[row][v] = S::fnma(dmin, least, sum);
                    }
                }
                unit = unit.add(unit_bytes);
                scales = scales.add(t.height);
                terms = terms.add(4 * t.height);
            }
            for row in 0..rows {
                for v in 0..V {
                    t.finish::<S>(row, v, sums[row][v]);
                }
            }
        }
    }
}

/// The scales of a superblock's 8 groups, and the minimums as pairs of 16 bits: those of groups
/// 0 and 2, 1 and 3, 4 and 6, 5 and 7.
///
/// # Safety
/// `unit` is the scales of a superblock.
#[inline(always)]
pub(super) unsafe fn fours<S: Simd>(t: &Tile<'_>, unit: *const u8) -> ([S::I; 8], [S::I; 4]) {
    // SAFETY: after `d` and `dmin` there are three words for each output.
    unsafe {
        let words = unit.add(4 * PANEL + 4 * t.lane);
        let a = S::load(words);
        let b = S::load(words.add(4 * PANEL));
        let c = S::load(words.add(8 * PANEL));
        let (six, two, four) = (
            S::splat(0x3f3f_3f3f),
            S::splat(0x3030_3030),
            S::splat(0x0f0f_0f0f),
        );
        let scales = [
            S::and(a, six),
            S::or(S::and(c, four), S::and(S::shift_right(a, 2), two)),
        ];
        let minimums = [
            S::and(b, six),
            S::or(
                S::and(S::shift_right(c, 4), four),
                S::and(S::shift_right(b, 2), two),
            ),
        ];
        let byte = S::splat(0xff);
        let bytes = S::splat(0x00ff_00ff);
        let mut scale = [byte; 8];
        for (group, scale) in scale.iter_mut().enumerate() {
            *scale = S::and(
                S::shift_right(scales[group / 4], group as i32 % 4 * 8),
                byte,
            );
        }
        let pairs = [
            S::and(minimums[0], bytes),
            S::and(S::shift_right(minimums[0], 8), bytes),
            S::and(minimums[1], bytes),
            S::and(S::shift_right(minimums[1], 8), bytes),
        ];
        (scale, pairs)
    }
}

impl Kernel for SuperSix {
    #[inline(always)]
    unsafe fn run<S: Simd, const V: usize, const R: usize>(t: &Tile<'_>) {
        let w = t.weights;
        let rows = if R == 1 { 1 } else { t.rows.min(R) };
        let (next_codes, next_scales) = (w.panel_codes(), w.panel_scales());
        let unit_bytes = w.unit_bytes();
        // SAFETY: by the contract of `Tile`.
        unsafe {
            let zero = S::splat_f32(0.0);
            let mut sums = [[zero; V]; R];
            for row in 0..rows {
                for v in 0..V {
                    sums[row][v] = t.start::<S>(v);
                }
            }
            let (mut codes, mut unit) = (t.codes.add(4 * t.lane), t.scales);
            let (mut x, mut scales, mut terms) = (t.codes_x, t.scales_x, t.terms);
            for _ in 0..w.k / SUPER {
                if R == 1 {
                    ask_scales::<S, V>(unit, unit_bytes, next_scales);
                }
                let mut dots = [[zero; V]; R];
                for half in 0..SUPER / HALF {
                    if R == 1 {
                        ask_codes::<S, V>(codes, Six::HALF_BYTES, next_codes);
                    }
                    let (mut scale, mut six) = ([zero; V], [[S::splat(0); 4]; V]);
                    for v in 0..V {
                        let unit = unit.add(v * next_scales + half * PANEL + t.lane);
                        scale[v] = S::load_i8(unit.cast());
                        six[v] = Six::unpack::<S>(w, codes.add(v * next_codes));
                    }
                    for row in 0..rows {
                        let x = x.add((half / 2 * t.height + row) * BLOCK + half % 2 * HALF);
                        let term = S::splat(*terms.add(16 * row + half));
                        let dot = Six::dot::<S, V>([term; V], &six, x);
                        for v in 0..V {
                            dots[row][v] = S::fma(S::to_f32(dot[v]), scale[v], dots[row][v]);
                        }
                    }
                    codes = codes.add(Six::HALF_BYTES);
                }
                for v in 0..V {
                    let d = unit.add(v * next_scales + 16 * PANEL + 2 * t.lane);
                    let d = S::load_f16(d);
                    for row in 0..rows {
                        let scale = S::splat_f32(*scales.add(row));
                        sums[row][v] = S::fma(d, S::mul(dots[row][v], scale), sums[row][v]);
                    }
                }
                unit = unit.add(unit_bytes);
                x = x.add(BLOCKS * t.height * BLOCK);
                scales = scales.add(t.height);
                terms = terms.add(16 * t.height);
            }
            for row in 0..rows {
                for v in 0..V {
                    t.finish::<S>(row, v, sums[row][v]);
                }
            }
        }
    }
}
