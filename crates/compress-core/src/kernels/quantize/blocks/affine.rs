//! Groups with a scale and a minimum: those with the least weighted error, found by a search, and
//! the factors of a block that hold them in few bits.
//!
//! The search is ggml's: it tries some scales. Each gives codes, and then the scale and the minimum
//! that fit those codes best; the best of all wins. Where a few values are far from the others, a
//! search that moves on from the best minimum so far ends several percent lower.
//!
//! ggml then rounds the scales and is done. Here the factors `d` and `dmin` are also refitted to
//! the codes by least squares and the codes rounded again, as long as that lowers the weighted
//! error. Where scales have few bits, their neighbours are tried too.
//!
//! # Speed
//!
//! It is bound by the arithmetic of the trials, about 15 operations for a value in each. Plain loops
//! over the lanes were several times slower than explicit vectors, because the compiler unrolls
//! them. Three more changes helped: two sums of errors, so that additions wait less; the other sums
//! in the loop that rounds; and no `array::map`, which was a call.
//!
//! # References
//! ggml, `make_qkx2_quants`, `make_qkx3_quants` and their callers.

use super::groups::{Packing, Values, codes, inverse, spread, sums, transpose};
use super::importance::Importance;
use super::lanes::{LANES, Lanes};
use crate::kernels::half;
use crate::kernels::quantize::steps::MAGIC;
use crate::kernels::reduce::{INFINITE, absmax_bits};

/// What a search tries.
#[derive(Clone, Copy)]
pub(super) struct Search {
    /// The largest code.
    pub(super) top: f32,
    /// The range is divided into so many steps first, and then into more.
    pub(super) first: f32,
    pub(super) step: f32,
    pub(super) trials: usize,
    /// Times that the codes are rounded again at the best scale and minimum, and these fitted anew.
    pub(super) descents: usize,
    /// Whether a trial starts from the best minimum so far, and not from the smallest value.
    pub(super) moving: bool,
    /// Whether the minimum may be above zero.
    pub(super) any_minimum: bool,
}

/// The scale and the minimum of each group. The scale is at least 0.
#[inline(always)]
pub(super) fn search<L: Lanes, const GROUP: usize>(
    x: &Values<L, GROUP>,
    w: &Values<L, GROUP>,
    how: Search,
) -> (L, L) {
    let (zero, top) = (L::all(0.0), L::all(how.top));
    let (mut low, mut high) = (x[0], x[0]);
    let (mut sum_w, mut sum_x) = (zero, zero);
    for i in 0..GROUP {
        low = low.at_most(x[i]);
        high = high.at_least(x[i]);
        sum_w = sum_w.plus(w[i]);
        sum_x = w[i].mul_add(x[i], sum_x);
    }
    if !how.any_minimum {
        low = low.at_most(zero);
    }
    let range = high.minus(low);
    let mut l = [zero; GROUP];
    let inverse = range.if_positive(top.over(range), zero);
    round_all(x, low, inverse, top, &mut l);
    let mut best = Line {
        scale: range.over(top),
        min: low,
        error: error(x, w, &l, range.over(top), low),
    };
    for trial in 0..how.trials {
        let steps = L::all(how.first + how.step * trial as f32);
        let low = if how.moving { best.min } else { low };
        let range = high.minus(low);
        let inverse = range.if_positive(steps.over(range), zero);
        best.try_codes(x, w, (sum_w, sum_x), (low, inverse), how);
    }
    for _ in 0..how.descents {
        let inverse = best.scale.if_positive(L::all(1.0).over(best.scale), zero);
        best.try_codes(x, w, (sum_w, sum_x), (best.min, inverse), how);
    }
    (best.scale.at_least(zero), best.min)
}

/// The scale and minimum of each group, and its error.
struct Line<L> {
    scale: L,
    min: L,
    error: L,
}

impl<L: Lanes> Line<L> {
    /// Takes the scale and minimum that fit the codes at `(low, inverse)` where they are better.
    #[inline(always)]
    fn try_codes<const GROUP: usize>(
        &mut self,
        x: &Values<L, GROUP>,
        w: &Values<L, GROUP>,
        (sum_w, sum_x): (L, L),
        (low, inverse): (L, L),
        how: Search,
    ) {
        let zero = L::all(0.0);
        let mut l = [zero; GROUP];
        let (mut sum_l, mut sum_l2, mut sum_xl) = (zero, zero, zero);
        for i in 0..GROUP {
            l[i] = round(x[i], low, inverse, L::all(how.top));
            let wl = w[i].times(l[i]);
            sum_l = sum_l.plus(wl);
            sum_l2 = wl.mul_add(l[i], sum_l2);
            sum_xl = wl.mul_add(x[i], sum_xl);
        }
        let determinant = sum_w.times(sum_l2).minus(sum_l.times(sum_l));
        let mut scale = sum_w
            .times(sum_xl)
            .minus(sum_x.times(sum_l))
            .over(determinant);
        let mut min = sum_l2
            .times(sum_x)
            .minus(sum_l.times(sum_xl))
            .over(determinant);
        if !how.any_minimum {
            // The format has no minimum above zero.
            scale = min.if_positive(sum_xl.over(sum_l2), scale);
            min = min.if_positive(zero, min);
        }
        let now = error(x, w, &l, scale, min);
        // Neither without a solution nor where the error is NaN.
        let better = determinant.if_positive(self.error.minus(now), zero);
        self.scale = better.if_positive(scale, self.scale);
        self.min = better.if_positive(min, self.min);
        self.error = better.if_positive(now, self.error);
    }
}

/// The code of each value: `(x − low) · inverse`, rounded and saturated.
#[inline(always)]
fn round_all<L: Lanes, const GROUP: usize>(
    x: &Values<L, GROUP>,
    low: L,
    inverse: L,
    top: L,
    l: &mut Values<L, GROUP>,
) {
    for i in 0..GROUP {
        l[i] = round(x[i], low, inverse, top);
    }
}

#[inline(always)]
fn round<L: Lanes>(x: L, low: L, inverse: L, top: L) -> L {
    let q = x.minus(low).times(inverse);
    let q = q.at_least(L::all(0.0)).at_most(top);
    q.plus(L::all(MAGIC)).minus(L::all(MAGIC))
}

/// The weighted squared error of each group.
#[inline(always)]
fn error<L: Lanes, const GROUP: usize>(
    x: &Values<L, GROUP>,
    w: &Values<L, GROUP>,
    l: &Values<L, GROUP>,
    scale: L,
    min: L,
) -> L {
    // Two sums, so that one addition does not wait for the one before it.
    let (mut even, mut odd) = (L::all(0.0), L::all(0.0));
    for i in 0..GROUP / 2 {
        let (i, j) = (2 * i, 2 * i + 1);
        even = add_error(even, x[i], w[i], scale.mul_add(l[i], min));
        odd = add_error(odd, x[j], w[j], scale.mul_add(l[j], min));
    }
    even.plus(odd)
}

#[inline(always)]
fn add_error<L: Lanes>(sum: L, x: L, w: L, value: L) -> L {
    let difference = value.minus(x);
    w.times(difference).mul_add(difference, sum)
}

/// The scale and the minimum of each group in half precision, and the codes that fit those.
#[inline(always)]
pub(super) fn in_halves<L: Lanes, const GROUP: usize>(
    x: &Values<L, GROUP>,
    (scale, min): (L, L),
    top: f32,
) -> ([u16; LANES], [u16; LANES], Values<L, GROUP>) {
    let (scale, min) = (scale.to_array(), min.to_array());
    let (mut d, mut m) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        d[lane] = half::from_f32(scale[lane]);
        m[lane] = half::from_f32(min[lane]);
    }
    let mut codes = [L::all(0.0); GROUP];
    let inverse = inverse(spread::<L, LANES>(d));
    round_all(x, spread::<L, LANES>(m), inverse, L::all(top), &mut codes);
    (d, m, codes)
}

/// How blocks hold the scales and minima of their groups.
#[derive(Clone, Copy)]
pub(super) struct Holding {
    /// The largest code.
    pub(super) top: f32,
    /// The largest multiple of a factor.
    pub(super) scale_top: f32,
    /// Times that the factors are refitted at most.
    pub(super) refits: usize,
    /// Whether each group's multiples are compared with their neighbours.
    pub(super) neighbours: bool,
}

/// Blocks as they are written.
#[derive(Clone, Copy)]
pub(super) struct Fit<L, const GROUP: usize, const BLOCKS: usize> {
    /// Half precision.
    pub(super) d: [u16; BLOCKS],
    pub(super) dmin: [u16; BLOCKS],
    /// The multiple of `d` of each group, and that of `dmin`, which is subtracted.
    pub(super) scales: L,
    pub(super) minima: L,
    pub(super) codes: Values<L, GROUP>,
}

impl<L: Lanes, const GROUP: usize, const BLOCKS: usize> Fit<L, GROUP, BLOCKS> {
    /// Rounds scales and minima, which are at least 0, to multiples; then fits the factors.
    #[inline(always)]
    pub(super) fn new(
        x: &Values<L, GROUP>,
        w: &Values<L, GROUP>,
        (scales, minima): (L, L),
        how: Holding,
    ) -> Self {
        let (d, scales) = multiples(scales, how.scale_top);
        let (dmin, minima) = multiples(minima, how.scale_top);
        let codes = [L::all(0.0); GROUP];
        let mut best = Fit {
            d,
            dmin,
            scales,
            minima,
            codes,
        };
        if how.neighbours {
            best.try_neighbours(x, w, how);
        }
        let mut least = best.round_again(x, w, how.top);
        for _ in 0..how.refits {
            let (d, dmin) = best.refit(x, w);
            let mut fit = Fit { d, dmin, ..best };
            let errors = fit.round_again(x, w, how.top);
            let better: [bool; BLOCKS] = std::array::from_fn(|b| errors[b] < least[b]);
            if better == [false; BLOCKS] {
                break;
            }
            if how.neighbours {
                fit.try_neighbours(x, w, how);
            }
            // A block must not depend on those beside it, so it stays once it is not better.
            for (b, _) in better.iter().enumerate().filter(|(_, better)| !**better) {
                fit.take(&best, b);
            }
            least = fit.round_again(x, w, how.top);
            best = fit;
        }
        let coarse = |factor: u16| factor > 0 && factor < half::SMALLEST_NORMAL;
        if best.d.into_iter().chain(best.dmin).any(coarse) {
            best.zero_where_nearer(x, how.top);
        }
        best
    }

    /// Takes a block of another.
    #[inline(always)]
    fn take(&mut self, other: &Self, b: usize) {
        (self.d[b], self.dmin[b]) = (other.d[b], other.dmin[b]);
        let groups = b * (LANES / BLOCKS)..(b + 1) * (LANES / BLOCKS);
        let take = |to: L, from: L| {
            let (mut to, from) = (to.to_array(), from.to_array());
            to[groups.clone()].copy_from_slice(&from[groups.clone()]);
            L::load(&to)
        };
        self.scales = take(self.scales, other.scales);
        self.minima = take(self.minima, other.minima);
    }

    /// Whether all factors are finite.
    pub(super) fn is_finite(&self) -> bool {
        let mut factors = self.d.into_iter().chain(self.dmin);
        factors.all(half::is_finite)
    }

    /// A block whose factors are too coarse for its values becomes zero where zero is nearer.
    #[inline(always)]
    fn zero_where_nearer(&mut self, x: &Values<L, GROUP>, top: f32) {
        let (zero, ones) = (L::all(0.0), [L::all(1.0); GROUP]);
        let errors = self.round_again(x, &ones, top);
        let of_zero: [f32; BLOCKS] = sums(error(x, &ones, &[zero; GROUP], zero, zero));
        for b in 0..BLOCKS {
            // Squares of the smallest values underflow to 0 on both sides, so equal is nearer too.
            if of_zero[b] <= errors[b] {
                (self.d[b], self.dmin[b]) = (0, 0);
            }
        }
        self.round_again(x, &ones, top);
    }

    /// The scale and the minimum of each group as they will be read.
    #[inline(always)]
    fn scale_and_min(&self, scales: L, minima: L) -> (L, L) {
        let scale = spread::<L, BLOCKS>(self.d).times(scales);
        let min = spread::<L, BLOCKS>(self.dmin).times(minima);
        (scale, L::all(0.0).minus(min))
    }

    /// Rounds the values to the codes of what the scales are in the file; the error of each block.
    #[inline(always)]
    fn round_again(
        &mut self,
        x: &Values<L, GROUP>,
        w: &Values<L, GROUP>,
        top: f32,
    ) -> [f32; BLOCKS] {
        let (scale, low) = self.scale_and_min(self.scales, self.minima);
        let inverse = scale.if_positive(L::all(1.0).over(scale), L::all(0.0));
        round_all(x, low, inverse, L::all(top), &mut self.codes);
        sums(error(x, w, &self.codes, scale, low))
    }

    /// Takes the neighbours of a group's multiples where they have the smaller error.
    #[inline(always)]
    fn try_neighbours(&mut self, x: &Values<L, GROUP>, w: &Values<L, GROUP>, how: Holding) {
        let (zero, most) = (L::all(0.0), L::all(how.scale_top));
        let (first_scales, first_minima) = (self.scales, self.minima);
        let mut least = L::all(f32::INFINITY);
        // The first is the one that is there.
        for (more, less) in NEIGHBOURS {
            let scales = first_scales.plus(L::all(more)).at_least(zero).at_most(most);
            let minima = first_minima.plus(L::all(less)).at_least(zero).at_most(most);
            let (scale, low) = self.scale_and_min(scales, minima);
            let inverse = scale.if_positive(L::all(1.0).over(scale), zero);
            let mut sum = zero;
            for i in 0..GROUP {
                let l = round(x[i], low, inverse, L::all(how.top));
                sum = add_error(sum, x[i], w[i], scale.mul_add(l, low));
            }
            let better = least.minus(sum);
            self.scales = better.if_positive(scales, self.scales);
            self.minima = better.if_positive(minima, self.minima);
            least = better.if_positive(sum, least);
        }
    }

    /// The factors that fit the codes best, by least squares.
    #[inline(always)]
    fn refit(&self, x: &Values<L, GROUP>, w: &Values<L, GROUP>) -> ([u16; BLOCKS], [u16; BLOCKS]) {
        let zero = L::all(0.0);
        let (mut aa, mut ab, mut bb, mut ax, mut bx) = (zero, zero, zero, zero, zero);
        for i in 0..GROUP {
            let (a, b) = (self.scales.times(self.codes[i]), self.minima);
            let (wa, wb) = (w[i].times(a), w[i].times(b));
            aa = wa.mul_add(a, aa);
            ab = wa.mul_add(b, ab);
            bb = wb.mul_add(b, bb);
            ax = wa.mul_add(x[i], ax);
            bx = wb.mul_add(x[i], bx);
        }
        let (aa, ab, bb): ([f32; BLOCKS], [f32; BLOCKS], [f32; BLOCKS]) =
            (sums(aa), sums(ab), sums(bb));
        let (ax, bx): ([f32; BLOCKS], [f32; BLOCKS]) = (sums(ax), sums(bx));
        let (mut d, mut dmin) = (self.d, self.dmin);
        for i in 0..BLOCKS {
            let determinant = aa[i] * bb[i] - ab[i] * ab[i];
            let min = (ab[i] * ax[i] - aa[i] * bx[i]) / determinant;
            let both = determinant > 0.0 && min > 0.0;
            let scale = if both {
                (bb[i] * ax[i] - ab[i] * bx[i]) / determinant
            } else {
                ax[i] / aa[i]
            };
            // Otherwise there is nothing to gain; NaN too.
            if scale > 0.0 && scale.is_finite() && !(both && min.is_infinite()) {
                d[i] = half::from_f32(scale);
                dmin[i] = half::from_f32(if both { min } else { 0.0 });
            }
        }
        (d, dmin)
    }
}

/// Steps of a group's two multiples.
const NEIGHBOURS: [(f32, f32); 9] = [
    (0.0, 0.0),
    (1.0, 0.0),
    (-1.0, 0.0),
    (0.0, 1.0),
    (0.0, -1.0),
    (1.0, 1.0),
    (-1.0, -1.0),
    (1.0, -1.0),
    (-1.0, 1.0),
];

/// The factor of each block in half precision, and each group's multiple of it.
#[inline(always)]
fn multiples<L: Lanes, const BLOCKS: usize>(x: L, top: f32) -> ([u16; BLOCKS], L) {
    let mut factors = [0; BLOCKS];
    let mut inverses = x.to_array();
    for (factor, block) in factors.iter_mut().zip(inverses.chunks_mut(LANES / BLOCKS)) {
        let most = block
            .iter()
            .fold(0.0, |most: f32, &x| if x > most { x } else { most });
        *factor = half::from_f32(most / top);
        let inverse = if most > 0.0 && *factor < half::SMALLEST_NORMAL {
            let (stored, inverse) = coarse(*factor, most, top);
            *factor = stored;
            inverse
        } else if most > 0.0 {
            top / most
        } else {
            0.0
        };
        block.fill(inverse);
    }
    let multiples = x.times(L::load(&inverses));
    let multiples = multiples.at_least(L::all(0.0)).at_most(L::all(top));
    let magic = L::all(MAGIC);
    (factors, multiples.plus(magic).minus(magic))
}

/// A factor that is subnormal in half precision, and its inverse. Such a factor is rounded so
/// coarsely that the multiples must be those of what is stored; and up, so that `top` times the
/// factor reaches `most`. It is at least 2⁻²⁴, the smallest half.
#[cold]
fn coarse(factor: u16, most: f32, top: f32) -> (u16, f32) {
    let reaches = half::to_f32(factor) * top >= most;
    let stored = if reaches { factor } else { factor + 1 };
    (stored, 1.0 / half::to_f32(stored))
}

/// Writes blocks of 32 values with one scale and one minimum, 16 at once; whether all are finite.
/// `write` is given a block's scale, minimum and codes, as `P` packs them.
#[inline(always)]
pub(super) fn write_single<L: Lanes, P: Packing, const BYTES: usize>(
    (values, importance, bytes): (&[f32], Importance<'_>, &mut [u8]),
    how: Search,
    write: impl Fn(&mut [u8; BYTES], u16, u16, &P::Bytes),
) -> bool {
    let mut fine = true;
    let blocks = bytes.chunks_mut(LANES * BYTES);
    for (i, (values, bytes)) in values.chunks(LANES * 32).zip(blocks).enumerate() {
        // Neither NaN nor an infinity need reach a scale.
        fine &= absmax_bits(values) < INFINITE;
        let x = transpose::<L, 32>(values);
        let w = importance.from(i * LANES * 32).weights();
        let (d, m, levels) = in_halves(&x, search(&x, &w, how), how.top);
        fine &= d.into_iter().chain(m).all(half::is_finite);
        let codes = P::pack(&levels);
        for (lane, block) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
            write(block, d[lane], m[lane], &codes[lane]);
        }
    }
    fine
}

/// A block as it is written: its factors, the multiples of them, and the codes.
pub(super) struct Block<'a> {
    pub(super) d: u16,
    pub(super) dmin: u16,
    pub(super) scales: &'a [f32],
    pub(super) minima: &'a [f32],
    pub(super) codes: &'a [u8],
}

/// Writes blocks of 256 values, as many as have 16 groups at once; whether all factors are finite.
#[inline(always)]
pub(super) fn write_groups<
    L: Lanes,
    const GROUP: usize,
    const BLOCKS: usize,
    const BYTES: usize,
>(
    (values, importance, bytes): (&[f32], Importance<'_>, &mut [u8]),
    (how, holding): (Search, Holding),
    write: impl Fn(&mut [u8; BYTES], Block<'_>),
) -> bool {
    let mut fine = true;
    let (len, groups) = (LANES * GROUP, LANES / BLOCKS);
    let blocks = bytes.chunks_mut(BLOCKS * BYTES);
    for (i, (values, bytes)) in values.chunks(len).zip(blocks).enumerate() {
        fine &= absmax_bits(values) < INFINITE;
        let x = transpose::<L, GROUP>(values);
        let w = importance.from(i * len).weights();
        let (scales, minima) = search(&x, &w, how);
        let zero = L::all(0.0);
        let minima = zero.minus(minima).at_least(zero);
        let fit = Fit::<L, GROUP, BLOCKS>::new(&x, &w, (scales, minima), holding);
        fine &= fit.is_finite();
        let codes = codes(&fit.codes);
        let (scales, minima) = (fit.scales.to_array(), fit.minima.to_array());
        for (b, block) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
            let at = b * groups..(b + 1) * groups;
            let content = Block {
                d: fit.d[b],
                dmin: fit.dmin[b],
                scales: &scales[at.clone()],
                minima: &minima[at.clone()],
                codes: codes[at].as_flattened(),
            };
            write(block, content);
        }
    }
    fine
}
