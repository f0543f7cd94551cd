//! The specification: reductions of one chunk, each lane in ascending order. The same code is
//! compiled at every level.

use crate::kernels::levels::by_level;

/// Interleaved partial results within a chunk: two vectors of AVX-512, so that one addition does
/// not wait for the one before it.
pub const LANES: usize = 32;

/// The bits of +∞: magnitudes whose bits are not below it are not finite.
pub(crate) const INFINITE: u32 = 0x7f80_0000;

by_level! {
    pub(super) fn sum_at(x: &[f32]) -> f32 = sum_chunk;
    pub(super) fn dot_at(a: &[f32], b: &[f32]) -> f32 = dot;
    pub(super) fn squared_norm_at(x: &[f32]) -> f64 = squared_norm;
    /// The largest magnitude as bits; at least those of +∞ where a value is not finite.
    pub(super) fn absmax_bits_at(x: &[f32]) -> u32 = absmax_bits;
    /// The smallest and the largest [`key`].
    pub(super) fn min_max_keys_at(x: &[f32]) -> (i32, i32) = min_max_keys;
    /// Count, mean, and sum of squared deviations from it.
    pub(super) fn moments_at(x: &[f32]) -> (f64, f64, f64) = moments;
}

/// The sum of a chunk by the fixed tree.
#[inline(always)]
pub(crate) fn sum_chunk(x: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    by_lanes(x, |j, v| lanes[j] += v);
    fold(lanes, |a, b| a + b)
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    dot_in::<LANES>(a, b)
}

/// The sum of products in `N` lanes, a power of two.
#[inline(always)]
pub(crate) fn dot_in<const N: usize>(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; N];
    let (mut a, mut b) = (a.chunks_exact(N), b.chunks_exact(N));
    for (a, b) in a.by_ref().zip(b.by_ref()) {
        for j in 0..N {
            lanes[j] = a[j].mul_add(b[j], lanes[j]);
        }
    }
    let rest = a.remainder().iter().zip(b.remainder());
    for (lane, (a, b)) in lanes.iter_mut().zip(rest) {
        *lane = a.mul_add(*b, *lane);
    }
    fold(lanes, |a, b| a + b)
}

#[inline(always)]
fn squared_norm(x: &[f32]) -> f64 {
    let mut lanes = [0.0f64; LANES];
    by_lanes(x, |j, v| {
        let v = f64::from(v);
        lanes[j] = v.mul_add(v, lanes[j]);
    });
    fold(lanes, |a, b| a + b)
}

#[inline(always)]
pub(crate) fn absmax_bits(x: &[f32]) -> u32 {
    let mut lanes = [0; LANES];
    by_lanes(x, |j, v| lanes[j] = lanes[j].max(v.to_bits() & 0x7fff_ffff));
    fold(lanes, u32::max)
}

#[inline(always)]
pub(crate) fn min_max_keys(x: &[f32]) -> (i32, i32) {
    let (mut low, mut high) = ([i32::MAX; LANES], [i32::MIN; LANES]);
    by_lanes(x, |j, v| {
        let key = key(v);
        low[j] = low[j].min(key);
        high[j] = high[j].max(key);
    });
    (fold(low, i32::min), fold(high, i32::max))
}

#[inline(always)]
fn moments(x: &[f32]) -> (f64, f64, f64) {
    let count = x.len() as f64;
    let mut lanes = [0.0; LANES];
    by_lanes(x, |j, v| lanes[j] += f64::from(v));
    let mean = fold(lanes, |a, b| a + b) / count;
    let mut lanes = [0.0f64; LANES];
    by_lanes(x, |j, v| {
        let d = f64::from(v) - mean;
        lanes[j] = d.mul_add(d, lanes[j]);
    });
    (count, mean, fold(lanes, |a, b| a + b))
}

/// An integer in the order of the values: NaN and −∞ below, −0 before +0, +∞ and NaN above.
#[inline(always)]
fn key(v: f32) -> i32 {
    let bits = v.to_bits() as i32;
    bits ^ ((bits >> 31) & i32::MAX)
}

/// The value of a [`key`].
#[inline(always)]
pub(crate) fn of_key(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) & i32::MAX)) as u32)
}

/// Gives each value, in ascending order, to the lane of its position.
#[inline(always)]
fn by_lanes(x: &[f32], mut add: impl FnMut(usize, f32)) {
    let mut whole = x.chunks_exact(LANES);
    for values in whole.by_ref() {
        for (j, &v) in values.iter().enumerate() {
            add(j, v);
        }
    }
    for (j, &v) in whole.remainder().iter().enumerate() {
        add(j, v);
    }
}

/// Combines lane j with the one half of all lanes behind it, then a quarter, and so on.
#[inline(always)]
fn fold<T: Copy, const N: usize>(mut lanes: [T; N], combine: impl Fn(T, T) -> T) -> T {
    let mut width = N / 2;
    while width > 0 {
        for j in 0..width {
            lanes[j] = combine(lanes[j], lanes[j + width]);
        }
        width /= 2;
    }
    lanes[0]
}
