//! Groups with a scale alone: the one with the least weighted error, found by a search, and the
//! factor of a block that holds the scales in few bits.
//!
//! A trial maps the value of largest magnitude to a number near an end of the levels. That gives
//! the level of each value, and then the scale that fits those levels best; the best of all wins.
//! ggml tries one end, which the sign of the scale allows to be that of any value; here both are.
//!
//! # References
//! ggml, `make_qx_quants` and `quantize_row_iq4_nl_impl`.

use super::groups::{Packing, Values, codes, farthest, inverse, spread, sums, transpose};
use super::importance::Importance;
use super::lanes::{Codebook, LANES, Lanes};
use crate::kernels::half;
use crate::kernels::quantize::steps::MAGIC;
use crate::kernels::reduce::{INFINITE, absmax_bits};

/// Times that factors are refitted at most.
const REFITS: usize = 2;

/// The numbers that scales are multiplied by.
pub(super) trait Levels<L: Lanes>: Copy {
    /// The level nearest to each quotient.
    fn nearest(self, quotient: L) -> L;
    /// The code of that level, from 0 to 255.
    fn code(self, quotient: L) -> L;
}

/// Whole numbers from `low` to `high`.
#[derive(Clone, Copy)]
pub(super) struct Whole {
    pub(super) low: f32,
    pub(super) high: f32,
}

impl<L: Lanes> Levels<L> for Whole {
    #[inline(always)]
    fn nearest(self, quotient: L) -> L {
        let inside = quotient
            .at_least(L::all(self.low))
            .at_most(L::all(self.high));
        inside.plus(L::all(MAGIC)).minus(L::all(MAGIC))
    }
    #[inline(always)]
    fn code(self, quotient: L) -> L {
        self.nearest(quotient).minus(L::all(self.low))
    }
}

impl<L: Lanes> Levels<L> for &'static Codebook {
    #[inline(always)]
    fn nearest(self, quotient: L) -> L {
        quotient.nearest_of(self)
    }
    #[inline(always)]
    fn code(self, quotient: L) -> L {
        quotient.code_of(self)
    }
}

/// The numbers that the value of largest magnitude is mapped to, from `first` in equal steps, and
/// their like at the other end.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) firsts: [f32; 2],
    pub(super) step: f32,
    pub(super) trials: usize,
}

/// The scale of each group, of either sign.
#[inline(always)]
pub(super) fn search<L: Lanes, V: Levels<L>, const GROUP: usize>(
    x: &Values<L, GROUP>,
    w: &Values<L, GROUP>,
    levels: V,
    ends: Ends,
) -> L {
    let zero = L::all(0.0);
    let farthest = farthest(x);
    let reciprocal = inverse(farthest);
    let lowest = levels.nearest(L::all(f32::NEG_INFINITY));
    let mut scale = farthest.over(lowest);
    // Below any product, so that the first that is a number wins.
    let mut best = L::all(-1.0);
    for first in ends.firsts {
        for trial in 0..ends.trials {
            let end = first + ends.step.copysign(first) * trial as f32;
            let (products, squares) = fit(x, w, levels, reciprocal.times(L::all(end)));
            let this = products.over(squares);
            let score = this.times(products);
            let better = squares.if_positive(score.minus(best), zero);
            scale = better.if_positive(this, scale);
            best = better.if_positive(score, best);
        }
    }
    scale
}

/// Of the levels at an inverse scale: Σ w·x·level and Σ w·level².
#[inline(always)]
fn fit<L: Lanes, V: Levels<L>, const GROUP: usize>(
    x: &Values<L, GROUP>,
    w: &Values<L, GROUP>,
    levels: V,
    inverse: L,
) -> (L, L) {
    // Two sums each, so that one addition does not wait for the one before it; and each in a
    // variable of its own, as what is in an array goes through memory.
    let zero = L::all(0.0);
    let (mut even, mut odd) = ((zero, zero), (zero, zero));
    for i in 0..GROUP / 2 {
        let (i, j) = (2 * i, 2 * i + 1);
        even = add_products(even, x[i], w[i], levels, inverse);
        odd = add_products(odd, x[j], w[j], levels, inverse);
    }
    (even.0.plus(odd.0), even.1.plus(odd.1))
}

// A function and not a closure, which would be compiled without the level's instructions.
#[inline(always)]
fn add_products<L: Lanes, V: Levels<L>>(
    (products, squares): (L, L),
    x: L,
    w: L,
    levels: V,
    inverse: L,
) -> (L, L) {
    let level = levels.nearest(x.times(inverse));
    let weighted = w.times(level);
    (
        weighted.mul_add(x, products),
        weighted.mul_add(level, squares),
    )
}

/// The weighted squared error of each group at a scale.
#[inline(always)]
fn error<L: Lanes, V: Levels<L>, const GROUP: usize>(
    x: &Values<L, GROUP>,
    w: &Values<L, GROUP>,
    levels: V,
    scale: L,
) -> L {
    let scales = (scale, inverse(scale));
    let (mut even, mut odd) = (L::all(0.0), L::all(0.0));
    for i in 0..GROUP / 2 {
        let (i, j) = (2 * i, 2 * i + 1);
        even = add_error(even, x[i], w[i], levels, scales);
        odd = add_error(odd, x[j], w[j], levels, scales);
    }
    even.plus(odd)
}

#[inline(always)]
fn add_error<L: Lanes, V: Levels<L>>(sum: L, x: L, w: L, levels: V, (scale, inverse): (L, L)) -> L {
    let level = levels.nearest(x.times(inverse));
    let difference = scale.times(level).minus(x);
    w.times(difference).mul_add(difference, sum)
}

/// The code of each value at a scale.
#[inline(always)]
fn codes_at<L: Lanes, V: Levels<L>, const GROUP: usize>(
    x: &Values<L, GROUP>,
    levels: V,
    scale: L,
) -> Values<L, GROUP> {
    let inverse = inverse(scale);
    let mut codes = [L::all(0.0); GROUP];
    for i in 0..GROUP {
        codes[i] = levels.code(x[i].times(inverse));
    }
    codes
}

/// Blocks as they are written.
#[derive(Clone, Copy)]
pub(super) struct Fit<L, const BLOCKS: usize> {
    /// Half precision.
    pub(super) d: [u16; BLOCKS],
    pub(super) multiples: L,
}

impl<L: Lanes, const BLOCKS: usize> Fit<L, BLOCKS> {
    /// Finds the factor of each block, and the multiples of it, whole numbers within `range`.
    #[inline(always)]
    pub(super) fn new<V: Levels<L>, const GROUP: usize>(
        x: &Values<L, GROUP>,
        w: &Values<L, GROUP>,
        levels: V,
        scales: L,
        range: Whole,
    ) -> Self {
        let mut best = Fit::first(scales, range);
        let mut least: [f32; BLOCKS] = sums(best.try_neighbours(x, w, levels, range));
        for _ in 0..REFITS {
            let mut fit = best.refit(x, w, levels);
            if fit.d == best.d {
                break;
            }
            let errors: [f32; BLOCKS] = sums(fit.try_neighbours(x, w, levels, range));
            // A block must not depend on those beside it, so it stays once its factor does.
            let better: [bool; BLOCKS] =
                std::array::from_fn(|b| fit.d[b] != best.d[b] && errors[b] < least[b]);
            if better == [false; BLOCKS] {
                break;
            }
            best.take(&fit, better);
            for b in 0..BLOCKS {
                least[b] = if better[b] { errors[b] } else { least[b] };
            }
        }
        let coarse = |d: u16| matches!(d & 0x7fff, 1..half::SMALLEST_NORMAL);
        if best.d.into_iter().any(coarse) {
            best.zero_where_nearer(x, levels);
        }
        best
    }

    /// Whether all factors are finite.
    pub(super) fn is_finite(&self) -> bool {
        self.d.into_iter().all(half::is_finite)
    }

    /// The scale of each group as it will be read.
    #[inline(always)]
    pub(super) fn scale(&self) -> L {
        spread::<L, BLOCKS>(self.d).times(self.multiples)
    }

    /// The scale of largest magnitude becomes the lowest multiple.
    #[inline(always)]
    fn first(scales: L, range: Whole) -> Self {
        let (mut d, mut inverses) = ([0; BLOCKS], scales.to_array());
        for (d, block) in d.iter_mut().zip(inverses.chunks_mut(LANES / BLOCKS)) {
            let mut farthest = 0.0_f32;
            for &scale in block.iter() {
                farthest = match scale.abs() > farthest.abs() {
                    true => scale,
                    false => farthest,
                };
            }
            *d = half::from_f32(farthest / range.low);
            if *d & 0x7fff < half::SMALLEST_NORMAL {
                // So coarse a factor is at least the smallest half, unless nothing is left.
                *d |= u16::from(*d & 0x7fff == 0 && farthest != 0.0);
            }
            let factor = half::to_f32(*d);
            block.fill(if factor == 0.0 { 0.0 } else { 1.0 / factor });
        }
        let multiples = range.nearest(scales.times(L::load(&inverses)));
        Fit { d, multiples }
    }

    /// Takes the neighbours of a group's multiple where they have the smaller error; the errors.
    #[inline(always)]
    fn try_neighbours<V: Levels<L>, const GROUP: usize>(
        &mut self,
        x: &Values<L, GROUP>,
        w: &Values<L, GROUP>,
        levels: V,
        range: Whole,
    ) -> L {
        let (d, first) = (spread::<L, BLOCKS>(self.d), self.multiples);
        let mut least = error(x, w, levels, d.times(first));
        if range.low == range.high {
            return least;
        }
        for step in [1.0, -1.0] {
            let multiples: L = range.nearest(first.plus(L::all(step)));
            let now = error(x, w, levels, d.times(multiples));
            let better = least.minus(now);
            self.multiples = better.if_positive(multiples, self.multiples);
            least = better.if_positive(now, least);
        }
        least
    }

    /// With the factors that fit the levels best, by least squares.
    #[inline(always)]
    fn refit<V: Levels<L>, const GROUP: usize>(
        &self,
        x: &Values<L, GROUP>,
        w: &Values<L, GROUP>,
        levels: V,
    ) -> Self {
        let (products, squares) = fit(x, w, levels, inverse(self.scale()));
        let products: [f32; BLOCKS] = sums(products.times(self.multiples));
        let squares: [f32; BLOCKS] = sums(squares.times(self.multiples).times(self.multiples));
        let mut d = self.d;
        for b in 0..BLOCKS {
            let factor = half::from_f32(products[b] / squares[b]);
            // Otherwise there is nothing to gain; NaN too.
            if squares[b] > 0.0 && half::is_finite(factor) {
                d[b] = factor;
            }
        }
        Fit { d, ..*self }
    }

    /// Takes those blocks of another.
    #[inline(always)]
    fn take(&mut self, other: &Self, which: [bool; BLOCKS]) {
        let mut multiples = self.multiples.to_array();
        let others = other.multiples.to_array();
        for (b, _) in which.iter().enumerate().filter(|(_, which)| **which) {
            self.d[b] = other.d[b];
            let groups = b * (LANES / BLOCKS)..(b + 1) * (LANES / BLOCKS);
            multiples[groups.clone()].copy_from_slice(&others[groups]);
        }
        self.multiples = L::load(&multiples);
    }

    /// A block whose factor is too coarse for its values becomes zero where zero is nearer.
    #[inline(always)]
    fn zero_where_nearer<V: Levels<L>, const GROUP: usize>(
        &mut self,
        x: &Values<L, GROUP>,
        levels: V,
    ) {
        let ones = [L::all(1.0); GROUP];
        let errors: [f32; BLOCKS] = sums(error(x, &ones, levels, self.scale()));
        let of_zero: [f32; BLOCKS] = sums(error(x, &ones, levels, L::all(0.0)));
        for b in 0..BLOCKS {
            // Squares of the smallest values underflow to 0 on both sides, so equal is nearer too.
            if of_zero[b] <= errors[b] {
                self.d[b] = 0;
            }
        }
    }
}

/// Writes blocks of 32 values with one scale, 16 at once; whether all scales are finite. `write`
/// is given a block's scale and codes, as `P` packs them.
#[inline(always)]
pub(super) fn write_single<L: Lanes, V: Levels<L>, P: Packing, const BYTES: usize>(
    (values, importance, bytes): (&[f32], Importance<'_>, &mut [u8]),
    (levels, ends): (V, Ends),
    write: impl Fn(&mut [u8; BYTES], u16, &P::Bytes),
) -> bool {
    /// The factor of a block is the scale of its only group.
    const ONE: Whole = Whole {
        low: 1.0,
        high: 1.0,
    };
    let mut fine = true;
    let blocks = bytes.chunks_mut(LANES * BYTES);
    for (i, (values, bytes)) in values.chunks(LANES * 32).zip(blocks).enumerate() {
        // Neither NaN nor an infinity need reach a scale.
        fine &= absmax_bits(values) < INFINITE;
        let x = transpose::<L, 32>(values);
        let w = importance.from(i * LANES * 32).weights();
        let scales = search(&x, &w, levels, ends);
        let fit = Fit::<L, LANES>::new(&x, &w, levels, scales, ONE);
        fine &= fit.is_finite();
        let codes = P::pack(&codes_at(&x, levels, fit.scale()));
        let blocks = bytes.as_chunks_mut().0.iter_mut();
        for ((block, codes), d) in blocks.zip(&codes).zip(fit.d) {
            write(block, d, codes);
        }
    }
    fine
}

/// Writes blocks of 256 values, as many as have 16 groups at once; whether all factors are finite.
/// `write` is given a block's factor, the multiples of it, and the codes.
#[inline(always)]
pub(super) fn write_groups<
    L: Lanes,
    V: Levels<L>,
    const GROUP: usize,
    const BLOCKS: usize,
    const BYTES: usize,
>(
    (values, importance, bytes): (&[f32], Importance<'_>, &mut [u8]),
    (levels, ends, range): (V, Ends, Whole),
    write: impl Fn(&mut [u8; BYTES], u16, &[f32], &[u8]),
) -> bool {
    let mut fine = true;
    let (len, groups) = (LANES * GROUP, LANES / BLOCKS);
    let blocks = bytes.chunks_mut(BLOCKS * BYTES);
    for (i, (values, bytes)) in values.chunks(len).zip(blocks).enumerate() {
        fine &= absmax_bits(values) < INFINITE;
        let x = transpose::<L, GROUP>(values);
        let w = importance.from(i * len).weights();
        let scales = search(&x, &w, levels, ends);
        let fit = Fit::<L, BLOCKS>::new(&x, &w, levels, scales, range);
        fine &= fit.is_finite();
        let codes = codes(&codes_at(&x, levels, fit.scale()));
        let multiples = fit.multiples.to_array();
        for (b, block) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
            let multiples = &multiples[b * groups..][..groups];
            let codes = codes[b * groups..][..groups].as_flattened();
            write(block, fit.d[b], multiples, codes);
        }
    }
    fine
}
