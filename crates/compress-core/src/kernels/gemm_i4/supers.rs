//! Integer tiles of the K formats, whose superblocks of 256 have groups with integer scales.

#![allow(
    clippy::needless_range_loop,
    reason = "rows and vectors index several arrays and pointers at once"
)]

use std::marker::PhantomData;

use super::codes::{self, Codes};
use super::panels::{BLOCK, HALF, PANEL, SUPER};
use super::simd::Simd;
use super::tiles::{Block, Kernel, Tile, ask_codes, ask_scales};

/// Superblocks of a format.
pub(super) struct Supers<F>(PhantomData<F>);
/// `Q4_K`.
pub(super) struct Four;
/// `Q6_K`.
pub(super) struct Six;

/// Where a superblock of a tile lies: its codes and scales, and those of the tile's first row.
pub(super) struct Place {
    codes: *const u8,
    unit: *const u8,
    x: *const i8,
    scales: *const f32,
    terms: *const i32,
}

/// A format with superblocks.
pub(super) trait Format {
    /// Terms of a superblock of activations.
    const TERMS: usize;
    /// Bytes of a panel's codes of a superblock.
    const BYTES: usize;

    /// Adds the products with a superblock to the sums of the first `rows` rows.
    ///
    /// # Safety
    /// As [`Kernel::run`]; the place is in the tile.
    unsafe fn add<S: Simd, const V: usize, const R: usize>(
        t: &Tile<'_>,
        rows: usize,
        place: &Place,
        sums: &mut [[S::F; V]; R],
    );
}

impl<F: Format> Kernel for Supers<F> {
    #[inline(always)]
    unsafe fn run<S: Simd, const V: usize, const R: usize>(t: &Tile<'_>) {
        let w = t.weights;
        let rows = if R == 1 { 1 } else { t.rows.min(R) };
        let unit_bytes = w.unit_bytes();
        // SAFETY: by the contract of `Tile`.
        unsafe {
            let mut sums = t.starts::<S, V, R>(rows);
            let mut place = Place {
                codes: t.codes.add(4 * t.lane),
                unit: t.scales,
                x: t.codes_x,
                scales: t.scales_x,
                terms: t.terms,
            };
            for _ in 0..w.k / SUPER {
                if R == 1 {
                    ask_scales::<S, V>(place.unit, unit_bytes, w.panel_scales());
                }
                F::add::<S, V, R>(t, rows, &place, &mut sums);
                place = Place {
                    // May lie beyond the panels, after the last one; see `Grouped`.
                    codes: place.codes.wrapping_add(F::BYTES),
                    unit: place.unit.add(unit_bytes),
                    x: place.x.add(SUPER * t.height),
                    scales: place.scales.add(t.height),
                    terms: place.terms.add(F::TERMS * t.height),
                };
            }
            t.finish::<S, V, R>(rows, &sums);
        }
    }
}

impl Format for Four {
    const TERMS: usize = 4;
    const BYTES: usize = SUPER / HALF * codes::Nibbles::HALF_BYTES;

    #[inline(always)]
    unsafe fn add<S: Simd, const V: usize, const R: usize>(
        t: &Tile<'_>,
        rows: usize,
        place: &Place,
        sums: &mut [[S::F; V]; R],
    ) {
        let (next_codes, next_scales) = (t.weights.panel_codes(), t.weights.panel_scales());
        // SAFETY: by the contract of `Tile`.
        unsafe {
            let zero = S::splat_f32(0.0);
            let mut dots = [[zero; V]; R];
            let mut integers = [([S::splat(0); 8], [S::splat(0); 4]); V];
            for v in 0..V {
                integers[v] = fours::<S>(t, place.unit.add(v * next_scales));
            }
            let (mut from, mut x) = (place.codes, place.x);
            for block in 0..SUPER / BLOCK {
                if R == 1 {
                    ask_codes::<S, V>(from, 2 * codes::Nibbles::HALF_BYTES, next_codes);
                }
                let unpacked = Block::<S, V>::unpack::<codes::Nibbles>(t.weights, from, next_codes);
                let mut scale = [zero; V];
                for v in 0..V {
                    scale[v] = S::to_f32(integers[v].0[block]);
                }
                for row in 0..rows {
                    let dot = unpacked.dot::<codes::Nibbles>(0, x.add(row * BLOCK));
                    for v in 0..V {
                        dots[row][v] = S::fma(S::to_f32(dot[v]), scale[v], dots[row][v]);
                    }
                }
                from = from.wrapping_add(2 * codes::Nibbles::HALF_BYTES);
                x = x.add(t.height * BLOCK);
            }
            for v in 0..V {
                let unit = place.unit.add(v * next_scales);
                let d = S::load_f16(unit.add(2 * t.lane));
                let dmin = S::load_f16(unit.add(2 * (PANEL + t.lane)));
                for row in 0..rows {
                    let scale = S::splat_f32(*place.scales.add(row));
                    let mut dot = S::splat(0);
                    for (pair, &minimum) in integers[v].1.iter().enumerate() {
                        let x = S::splat(*place.terms.add(Self::TERMS * row + pair));
                        dot = S::dot_pairs(dot, minimum, x);
                    }
                    let least = S::mul(S::to_f32(dot), scale);
                    let sum = S::fma(d, S::mul(dots[row][v], scale), sums[row][v]);
                    sums[row][v] = S::fnma(dmin, least, sum);
                }
            }
        }
    }
}

impl Format for Six {
    const TERMS: usize = 16;
    const BYTES: usize = SUPER / HALF * codes::Six::HALF_BYTES;

    #[inline(always)]
    unsafe fn add<S: Simd, const V: usize, const R: usize>(
        t: &Tile<'_>,
        rows: usize,
        place: &Place,
        sums: &mut [[S::F; V]; R],
    ) {
        let (next_codes, next_scales) = (t.weights.panel_codes(), t.weights.panel_scales());
        // SAFETY: by the contract of `Tile`.
        unsafe {
            let zero = S::splat_f32(0.0);
            let mut dots = [[zero; V]; R];
            for half in 0..SUPER / HALF {
                let from = place.codes.add(half * codes::Six::HALF_BYTES);
                if R == 1 {
                    ask_codes::<S, V>(from, codes::Six::HALF_BYTES, next_codes);
                }
                let (mut scale, mut six) = ([zero; V], [[S::splat(0); 4]; V]);
                for v in 0..V {
                    let unit = place.unit.add(v * next_scales + half * PANEL + t.lane);
                    scale[v] = S::load_i8(unit.cast());
                    six[v] = codes::Six::unpack::<S>(t.weights, from.add(v * next_codes));
                }
                for row in 0..rows {
                    let x = (half / 2 * t.height + row) * BLOCK + half % 2 * HALF;
                    let term = S::splat(*place.terms.add(Self::TERMS * row + half));
                    let dot = S::dot::<codes::Six, V>([term; V], &six, place.x.add(x));
                    for v in 0..V {
                        dots[row][v] = S::fma(S::to_f32(dot[v]), scale[v], dots[row][v]);
                    }
                }
            }
            for v in 0..V {
                let d = place.unit.add(v * next_scales + 16 * PANEL + 2 * t.lane);
                let d = S::load_f16(d);
                for row in 0..rows {
                    let scale = S::splat_f32(*place.scales.add(row));
                    sums[row][v] = S::fma(d, S::mul(dots[row][v], scale), sums[row][v]);
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
