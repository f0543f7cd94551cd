//! Integer tiles of the K formats, whose superblocks of 256 have groups with integer scales.

use super::codes::{Codes, Nibbles, Six};
use super::panels::{BLOCK, HALF, PANEL, SUPER};
use super::simd::Simd;
use super::tiles::{Kernel, Tile};

/// Blocks of a superblock.
const BLOCKS: usize = SUPER / BLOCK;

/// `Q4_K`.
pub(super) struct SuperFour;
/// `Q6_K`.
pub(super) struct SuperSix;

impl Kernel for SuperFour {
    #[inline(always)]
    unsafe fn run<S: Simd, const R: usize>(t: &Tile<'_>) {
        // SAFETY: by the contract of `Tile`.
        unsafe {
            let mut sums = [t.start::<S>(); R];
            let (mut codes, mut unit) = (t.codes.add(4 * t.lane), t.scales);
            let (mut x, mut scales, mut terms) = (t.codes_x, t.scales_x, t.terms);
            for _ in 0..t.weights.k / SUPER {
                let (scale, minimum) = fours::<S>(t, unit);
                let mut dots = [S::splat_f32(0.0); R];
                for (block, scale) in scale.into_iter().enumerate() {
                    let scale = S::to_f32(scale);
                    let first = Nibbles::unpack::<S>(t.weights, codes);
                    let second = Nibbles::unpack::<S>(t.weights, codes.add(Nibbles::HALF_BYTES));
                    for (row, sum) in dots.iter_mut().enumerate() {
                        let x = x.add((block * t.height + row) * BLOCK);
                        let dot = Nibbles::dot::<S>(S::splat(0), first, x);
                        let dot = Nibbles::dot::<S>(dot, second, x.add(HALF));
                        *sum = S::fma(S::to_f32(dot), scale, *sum);
                    }
                    codes = codes.add(2 * Nibbles::HALF_BYTES);
                }
                let d = S::load_f16(unit.add(2 * t.lane));
                let dmin = S::load_f16(unit.add(2 * (PANEL + t.lane)));
                for row in 0..R {
                    let scale = S::splat_f32(*scales.add(row));
                    let mut dot = S::splat(0);
                    for (pair, &minimum) in minimum.iter().enumerate() {
                        let x = S::splat(*terms.add(4 * row + pair));
                        dot = S::dot_pairs(dot, minimum, x);
                    }
                    let least = S::mul(S::to_f32(dot), scale);
                    sums[row] = S::fma(d, S::mul(dots[row], scale), sums[row]);
                    sums[row] = S::fnma(dmin, least, sums[row]);
                }
                unit = unit.add(t.weights.unit_bytes());
                x = x.add(BLOCKS * t.height * BLOCK);
                scales = scales.add(t.height);
                terms = terms.add(4 * t.height);
            }
            t.finish::<S, R>(&sums);
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
    unsafe fn run<S: Simd, const R: usize>(t: &Tile<'_>) {
        // SAFETY: by the contract of `Tile`.
        unsafe {
            let mut sums = [t.start::<S>(); R];
            let (mut codes, mut unit) = (t.codes.add(4 * t.lane), t.scales);
            let (mut x, mut scales, mut terms) = (t.codes_x, t.scales_x, t.terms);
            for _ in 0..t.weights.k / SUPER {
                let mut dots = [S::splat_f32(0.0); R];
                for half in 0..SUPER / HALF {
                    let scale = S::load_i8(unit.add(half * PANEL + t.lane).cast());
                    let six = Six::unpack::<S>(t.weights, codes);
                    for (row, sum) in dots.iter_mut().enumerate() {
                        let x = x.add((half / 2 * t.height + row) * BLOCK + half % 2 * HALF);
                        let term = S::splat(*terms.add(16 * row + half));
                        let dot = Six::dot::<S>(term, six, x);
                        *sum = S::fma(S::to_f32(dot), scale, *sum);
                    }
                    codes = codes.add(Six::HALF_BYTES);
                }
                let d = S::load_f16(unit.add(16 * PANEL + 2 * t.lane));
                for row in 0..R {
                    let scale = S::splat_f32(*scales.add(row));
                    sums[row] = S::fma(d, S::mul(dots[row], scale), sums[row]);
                }
                unit = unit.add(t.weights.unit_bytes());
                x = x.add(BLOCKS * t.height * BLOCK);
                scales = scales.add(t.height);
                terms = terms.add(16 * t.height);
            }
            t.finish::<S, R>(&sums);
        }
    }
}
