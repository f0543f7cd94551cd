//! `Q4_K`: for each group of 32 the scale and the minimum with the least weighted error, found by
//! a search; then both in 6 bits, and for the block the two half-precision factors fitted anew.
//!
//! The search is ggml's: it tries 21 scales. Each gives codes, and then the scale and the minimum
//! that fit those codes best; the best of all wins. A value's weight in the error is its magnitude
//! plus the root mean square of its group. Two blocks are searched at once, each group in a lane of
//! its own, so the search is plain arithmetic on vectors of 16.
//!
//! ggml then rounds the scales to 6 bits and is done. Here the factors `d` and `dmin` are also
//! refitted to the codes by least squares and the codes rounded again, as long as that lowers the
//! weighted error.
//!
//! # Speed
//!
//! The floor is the arithmetic of the trials, about 15 operations for a value in each of 21. At two
//! vectors of 16 a cycle that is about 20 ms for 4096×4096 on two threads; 40 are reached
//! (`cargo xtask bench quantize/q4_k`). Plain loops over the lanes were several times slower than
//! explicit vectors, because the compiler unrolls them. Three more changes helped: two sums of
//! errors, so that additions wait less; the other sums in the loop that rounds; and no
//! `array::map`, which was a call.
//!
//! # References
//! ggml, `quantize_row_q4_K_ref` and `make_qkx2_quants`.

use super::bytes::read;
use super::lanes::{LANES, Lanes};
use crate::kernels::half;
use crate::kernels::quantize::steps::MAGIC;
use crate::kernels::reduce::{INFINITE, absmax_bits};

const LEN: usize = 256;
const BYTES: usize = 144;
const GROUP: usize = 32;
/// Groups of a block.
const GROUPS: usize = LEN / GROUP;
/// Blocks at once.
const BLOCKS: usize = LANES / GROUPS;
/// The largest code, and the largest scale or minimum.
const TOP: f32 = 15.0;
const SCALE_TOP: f32 = 63.0;
/// Trial scales.
const TRIALS: usize = 21;
/// Times that the factors are refitted at most.
const REFITS: usize = 3;

/// Value i of each group.
type Values<L> = [L; GROUP];

/// Writes the blocks; whether all scales are finite.
#[inline(always)]
pub(super) fn quantize<L: Lanes>(values: &[f32], bytes: &mut [u8]) -> bool {
    let mut fine = true;
    let blocks = bytes.chunks_mut(BLOCKS * BYTES);
    for (values, bytes) in values.chunks(BLOCKS * LEN).zip(blocks) {
        // Neither NaN nor an infinity need reach a scale.
        fine &= absmax_bits(values) < INFINITE;
        let x = transpose::<L>(values);
        let w = weights(&x);
        let (scales, minima) = search(&x, &w);
        let fit = fit(&x, &w, scales, minima);
        let mut codes = [[0.0; LANES]; GROUP];
        for (to, from) in codes.iter_mut().zip(&fit.codes) {
            from.store(to);
        }
        let (scales, minima) = (fit.scales.to_array(), fit.minima.to_array());
        for (b, block) in bytes.as_chunks_mut::<BYTES>().0.iter_mut().enumerate() {
            let (d, dmin) = (fit.d[b], fit.dmin[b]);
            fine &= half::is_finite(d) && half::is_finite(dmin);
            block[..2].copy_from_slice(&d.to_le_bytes());
            block[2..4].copy_from_slice(&dmin.to_le_bytes());
            write_scales(
                &scales[b * GROUPS..],
                &minima[b * GROUPS..],
                &mut block[4..16],
            );
            write_codes(&codes, b * GROUPS, &mut block[16..]);
        }
    }
    fine
}

#[inline(always)]
pub(super) fn dequantize(bytes: &[u8], values: &mut [f32]) {
    for (block, x) in read::<LEN, BYTES>(bytes, values) {
        let [d0, d1, m0, m1, s @ ..] = block;
        let d = half::read(*d0, *d1);
        let dmin = half::read(*m0, *m1);
        for (pair, x) in x.as_chunks_mut::<{ 2 * GROUP }>().0.iter_mut().enumerate() {
            let q = &s[12 + pair * GROUP..][..GROUP];
            let (low, high) = x.split_at_mut(GROUP);
            let ((s0, m0), (s1, m1)) = (scale_and_min(s, 2 * pair), scale_and_min(s, 2 * pair + 1));
            let (s0, m0, s1, m1) = (d * s0, dmin * m0, d * s1, dmin * m1);
            for ((low, high), q) in low.iter_mut().zip(high).zip(q) {
                *low = s0 * f32::from(q & 15) - m0;
                *high = s1 * f32::from(q >> 4) - m1;
            }
        }
    }
}

/// Six bits each of scale and minimum of group `j`.
#[inline(always)]
pub(super) fn scale_and_min(s: &[u8], j: usize) -> (f32, f32) {
    let (scale, min) = if j < 4 {
        (s[j] & 63, s[j + 4] & 63)
    } else {
        (
            s[j + 4] & 15 | (s[j - 4] >> 6) << 4,
            s[j + 4] >> 4 | (s[j] >> 6) << 4,
        )
    };
    (f32::from(scale), f32::from(min))
}

/// Zeros where there are no values.
#[inline(always)]
fn transpose<L: Lanes>(values: &[f32]) -> Values<L> {
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

/// The weight of each value's squared error.
#[inline(always)]
fn weights<L: Lanes>(x: &Values<L>) -> Values<L> {
    let zero = L::all(0.0);
    let squares = x.iter().fold(zero, |sum, &x| x.mul_add(x, sum));
    let root = squares.times(L::all(1.0 / GROUP as f32)).sqrt();
    let mut w = [zero; GROUP];
    for (w, &x) in w.iter_mut().zip(x) {
        *w = root.plus(x.at_least(zero.minus(x)));
    }
    w
}

/// The scale and the minimum, negated, of each group. Both at least 0.
#[inline(always)]
fn search<L: Lanes>(x: &Values<L>, w: &Values<L>) -> (L, L) {
    let zero = L::all(0.0);
    let (mut low, mut high) = (x[0], x[0]);
    let (mut sum_w, mut sum_x) = (zero, zero);
    for (&x, &w) in x.iter().zip(w) {
        low = low.at_most(x);
        high = high.at_least(x);
        sum_w = sum_w.plus(w);
        sum_x = w.mul_add(x, sum_x);
    }
    let low = low.at_most(zero);
    let range = high.minus(low);
    let mut scale = range.over(L::all(TOP));
    let mut min = low;
    let mut l = [zero; GROUP];
    let inverse = range.if_positive(L::all(TOP).over(range), zero);
    round_all(x, low, inverse, &mut l);
    let mut best = error(x, w, &l, scale, min);
    for trial in 0..TRIALS {
        let steps = L::all(TOP - 1.0 + 0.1 * trial as f32);
        let inverse = range.if_positive(steps.over(range), zero);
        let (mut sum_l, mut sum_l2, mut sum_xl) = (zero, zero, zero);
        for ((&x, &w), l) in x.iter().zip(w).zip(&mut l) {
            *l = round(x, low, inverse);
            let l = *l;
            let wl = w.times(l);
            sum_l = sum_l.plus(wl);
            sum_l2 = wl.mul_add(l, sum_l2);
            sum_xl = wl.mul_add(x, sum_xl);
        }
        let determinant = sum_w.times(sum_l2).minus(sum_l.times(sum_l));
        let this_scale = sum_w
            .times(sum_xl)
            .minus(sum_x.times(sum_l))
            .over(determinant);
        let this_min = sum_l2
            .times(sum_x)
            .minus(sum_l.times(sum_xl))
            .over(determinant);
        // The format has no minimum above zero.
        let this_scale = this_min.if_positive(sum_xl.over(sum_l2), this_scale);
        let this_min = this_min.if_positive(zero, this_min);
        let now = error(x, w, &l, this_scale, this_min);
        // Neither without a solution nor where the error is NaN.
        let better = determinant.if_positive(best.minus(now), zero);
        scale = better.if_positive(this_scale, scale);
        min = better.if_positive(this_min, min);
        best = better.if_positive(now, best);
    }
    (scale.at_least(zero), zero.minus(min).at_least(zero))
}

/// The code of each value: `(x − low) · inverse`, rounded and saturated.
#[inline(always)]
fn round_all<L: Lanes>(x: &Values<L>, low: L, inverse: L, l: &mut Values<L>) {
    for (l, &x) in l.iter_mut().zip(x) {
        *l = round(x, low, inverse);
    }
}

#[inline(always)]
fn round<L: Lanes>(x: L, low: L, inverse: L) -> L {
    let q = x.minus(low).times(inverse);
    let q = q.at_least(L::all(0.0)).at_most(L::all(TOP));
    q.plus(L::all(MAGIC)).minus(L::all(MAGIC))
}

/// The weighted squared error of each group.
#[inline(always)]
fn error<L: Lanes>(x: &Values<L>, w: &Values<L>, l: &Values<L>, scale: L, min: L) -> L {
    // Two sums, so that one addition does not wait for the one before it.
    let (mut even, mut odd) = (L::all(0.0), L::all(0.0));
    let add = |sum: L, i: usize| {
        let difference = scale.mul_add(l[i], min).minus(x[i]);
        w[i].times(difference).mul_add(difference, sum)
    };
    for i in (0..GROUP).step_by(2) {
        even = add(even, i);
        odd = add(odd, i + 1);
    }
    even.plus(odd)
}

/// Two blocks as they are written.
struct Fit<L> {
    /// Half precision.
    d: [u16; BLOCKS],
    dmin: [u16; BLOCKS],
    /// 0 to 63.
    scales: L,
    minima: L,
    /// 0 to 15.
    codes: Values<L>,
}

/// Rounds scales and minima to 6 bits, then fits the factors.
#[inline(always)]
fn fit<L: Lanes>(x: &Values<L>, w: &Values<L>, scales: L, minima: L) -> Fit<L> {
    let (d, scales) = six_bits(scales);
    let (dmin, minima) = six_bits(minima);
    let mut best = Fit {
        d,
        dmin,
        scales,
        minima,
        codes: [L::all(0.0); GROUP],
    };
    let mut least = round_again(x, w, &mut best);
    for _ in 0..REFITS {
        let (d, dmin) = refit(x, w, &best);
        let mut fit = Fit { d, dmin, ..best };
        let errors = round_again(x, w, &mut fit);
        let better: [bool; BLOCKS] = std::array::from_fn(|b| errors[b] < least[b]);
        if better == [false; BLOCKS] {
            break;
        }
        for (b, better) in better.into_iter().enumerate() {
            if !better {
                (fit.d[b], fit.dmin[b]) = (best.d[b], best.dmin[b]);
            }
        }
        least = round_again(x, w, &mut fit);
        best = fit;
    }
    let coarse = |factor: u16| factor > 0 && factor < half::SMALLEST_NORMAL;
    if best.d.into_iter().chain(best.dmin).any(coarse) {
        zero_where_nearer(x, &mut best);
    }
    best
}

/// A block whose factors are too coarse for its values becomes zero where zero is nearer to them.
#[cold]
fn zero_where_nearer<L: Lanes>(x: &Values<L>, fit: &mut Fit<L>) {
    let (zero, ones) = (L::all(0.0), [L::all(1.0); GROUP]);
    let errors = round_again(x, &ones, fit);
    let of_zero = sums(error(x, &ones, &[zero; GROUP], zero, zero));
    for b in 0..BLOCKS {
        // Squares of the smallest values underflow to 0 on both sides, so equal is nearer too.
        if of_zero[b] <= errors[b] {
            (fit.d[b], fit.dmin[b]) = (0, 0);
        }
    }
    round_again(x, &ones, fit);
}

/// The factor of each block in half precision, and each group's multiple of it.
#[inline(always)]
fn six_bits<L: Lanes>(x: L) -> ([u16; BLOCKS], L) {
    let mut factors = [0; BLOCKS];
    let mut inverses = x.to_array();
    for (factor, block) in factors.iter_mut().zip(inverses.chunks_mut(GROUPS)) {
        let most = block
            .iter()
            .fold(0.0, |most: f32, &x| if x > most { x } else { most });
        *factor = half::from_f32(most / SCALE_TOP);
        let inverse = if most > 0.0 && *factor < half::SMALLEST_NORMAL {
            let (stored, inverse) = coarse(*factor, most);
            *factor = stored;
            inverse
        } else if most > 0.0 {
            SCALE_TOP / most
        } else {
            0.0
        };
        block.fill(inverse);
    }
    let multiples = x.times(L::load(&inverses));
    let multiples = multiples.at_least(L::all(0.0)).at_most(L::all(SCALE_TOP));
    let magic = L::all(MAGIC);
    (factors, multiples.plus(magic).minus(magic))
}

/// A factor that is subnormal in half precision, and its inverse. Such a factor is rounded so
/// coarsely that the multiples must be those of what is stored; and up, so that 63 times the factor
/// reaches `most`. It is at least 2⁻²⁴, the smallest half.
#[cold]
fn coarse(factor: u16, most: f32) -> (u16, f32) {
    let reaches = half::to_f32(factor) * SCALE_TOP >= most;
    let stored = if reaches { factor } else { factor + 1 };
    (stored, 1.0 / half::to_f32(stored))
}

/// Each lane's share of a factor a block.
#[inline(always)]
fn spread<L: Lanes>(factors: [u16; BLOCKS]) -> L {
    let factors = factors.map(half::to_f32);
    L::load(&std::array::from_fn(|lane| factors[lane / GROUPS]))
}

/// Rounds the values to the codes of what the scales are in the file; the error of each block.
#[inline(always)]
fn round_again<L: Lanes>(x: &Values<L>, w: &Values<L>, fit: &mut Fit<L>) -> [f32; BLOCKS] {
    let zero = L::all(0.0);
    let scale = spread::<L>(fit.d).times(fit.scales);
    let low = zero.minus(spread::<L>(fit.dmin).times(fit.minima));
    let inverse = scale.if_positive(L::all(1.0).over(scale), zero);
    round_all(x, low, inverse, &mut fit.codes);
    let errors = error(x, w, &fit.codes, scale, low);
    sums(errors)
}

#[inline(always)]
fn sums<L: Lanes>(x: L) -> [f32; BLOCKS] {
    let x = x.to_array();
    std::array::from_fn(|b| x[b * GROUPS..][..GROUPS].iter().sum())
}

/// The factors that fit the codes best, by least squares.
#[inline(always)]
fn refit<L: Lanes>(x: &Values<L>, w: &Values<L>, fit: &Fit<L>) -> ([u16; BLOCKS], [u16; BLOCKS]) {
    let zero = L::all(0.0);
    let (mut aa, mut ab, mut bb, mut ax, mut bx) = (zero, zero, zero, zero, zero);
    for ((&x, &w), &l) in x.iter().zip(w).zip(&fit.codes) {
        let (a, b) = (fit.scales.times(l), fit.minima);
        let (wa, wb) = (w.times(a), w.times(b));
        aa = wa.mul_add(a, aa);
        ab = wa.mul_add(b, ab);
        bb = wb.mul_add(b, bb);
        ax = wa.mul_add(x, ax);
        bx = wb.mul_add(x, bx);
    }
    let (aa, ab, bb, ax, bx) = (sums(aa), sums(ab), sums(bb), sums(ax), sums(bx));
    let (mut d, mut dmin) = (fit.d, fit.dmin);
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

/// Eight scales and minima of six bits each in twelve bytes.
#[inline(always)]
fn write_scales(scales: &[f32], minima: &[f32], s: &mut [u8]) {
    for j in 0..4 {
        let (s0, m0) = (byte(scales[j]), byte(minima[j]));
        let (s1, m1) = (byte(scales[j + 4]), byte(minima[j + 4]));
        s[j] = s0 | (s1 >> 4) << 6;
        s[j + 4] = m0 | (m1 >> 4) << 6;
        s[j + 8] = s1 & 15 | m1 << 4;
    }
}

/// The codes of the groups from lane `first`, two groups to a run of bytes.
#[inline(always)]
fn write_codes(codes: &[[f32; LANES]; GROUP], first: usize, q: &mut [u8]) {
    for (l, codes) in codes.iter().enumerate() {
        for pair in 0..GROUPS / 2 {
            let lane = first + 2 * pair;
            q[pair * GROUP + l] = byte(codes[lane]) | byte(codes[lane + 1]) << 4;
        }
    }
}

/// A whole number from 0 to 255.
#[inline(always)]
fn byte(x: f32) -> u8 {
    (x + MAGIC).to_bits() as u8
}
