//! Selection in one pass over large inputs: a sample says where the boundary must be, and the
//! pass counts what lies above and collects what lies there.
//!
//! The sample decides nothing but the time. The pass counts exactly, and where the boundary
//! turns out to lie elsewhere, or too much lies there, the caller takes the long way.

use rayon::prelude::*;

use super::boundary::{Boundary, by_digits};
use crate::isa::Isa;
use crate::kernels::levels::by_level;
use crate::kernels::reduce::INFINITE;

/// Values from which on it pays.
pub(super) const WORTHWHILE: usize = 1 << 20;
/// Values of the sample: [`PLACES`] runs of [`RUN`] neighbours, which share a line of the cache.
const PLACES: usize = 1 << 13;
const RUN: usize = 8;
/// Half of the width of what is collected, in standard deviations of the sample's quantile.
/// Neighbours are alike, so the sample tells less than its size says.
const DEVIATIONS: f64 = 6.0;
/// Values that a thread takes at once.
const BLOCK: usize = 1 << 16;
/// Values that stay in the first cache between counting and collecting.
const CHUNK: usize = 1 << 11;
/// Values that are skipped together where none is to be collected.
const SKIP: usize = 32;
/// What may be collected of a block.
const CAPACITY: usize = BLOCK / 8;

/// Magnitudes, as bits, between which the boundary is expected; both belong to it.
#[derive(Clone, Copy)]
struct Interval {
    low: u32,
    high: u32,
}

/// What the pass found in some values.
#[derive(Default)]
struct Counts {
    /// How many lie above the interval.
    above: usize,
    /// How many lie in it.
    within: usize,
    /// The bits of the largest magnitude.
    largest: u32,
}

/// The boundary of the `k` largest of finite values; nothing where the values are not finite or
/// the boundary is not where it was expected.
pub(super) fn select(isa: Isa, tensors: &[&[f32]], k: usize) -> Option<Boundary> {
    let total: usize = tensors.iter().map(|t| t.len()).sum();
    let interval = expect(&sample(tensors, total), k as f64 / total as f64)?;
    let blocks: Vec<&[f32]> = tensors.iter().flat_map(|t| t.chunks(BLOCK)).collect();
    let found = blocks.par_iter().map(|block| narrow(isa, block, interval));
    let found = found.collect::<Option<Vec<_>>>()?;
    let above: usize = found.iter().map(|(c, _)| c.above).sum();
    let within: usize = found.iter().map(|(c, _)| c.within).sum();
    let finite = found.iter().all(|(c, _)| c.largest < INFINITE);
    if !finite || k <= above || k > above + within {
        return None;
    }
    if interval.low == interval.high {
        return Some(Boundary {
            magnitude: f32::from_bits(interval.low),
            ties_kept: k - above,
        });
    }
    let collected: Vec<&[f32]> = found.iter().map(|(_, values)| &values[..]).collect();
    by_digits(&collected, k - above)
}

/// Runs at random places, one in each of as many equal parts.
fn sample(tensors: &[&[f32]], total: usize) -> Vec<f32> {
    let stride = total / PLACES;
    let mut sample = Vec::with_capacity(PLACES * RUN);
    let (mut tensors, mut passed) = (tensors.iter(), 0);
    let mut tensor: &[f32] = &[];
    for place in 0..PLACES {
        let shift = (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let at = place * stride + (shift as usize) % stride.max(1);
        while at >= passed + tensor.len() {
            passed += tensor.len();
            match tensors.next() {
                Some(next) => tensor = next,
                None => return sample,
            }
        }
        let rest = &tensor[at - passed..];
        sample.extend(&rest[..rest.len().min(RUN)]);
    }
    sample
}

/// Where the boundary that keeps the fraction `kept` lies, going by the sample.
fn expect(sample: &[f32], kept: f64) -> Option<Interval> {
    let size = sample.len() as f64;
    let margin = DEVIATIONS * (size * kept * (1.0 - kept)).sqrt() + 16.0;
    let (first, last) = (size * kept - margin, size * kept + margin);
    let at = |rank: f64| by_digits(&[sample], rank as usize).map(|b| b.magnitude.to_bits());
    Some(Interval {
        low: if last > size { 0 } else { at(last)? },
        high: if first < 1.0 {
            INFINITE - 1
        } else {
            at(first)?
        },
    })
}

/// Counts in a block, and collects what lies in the interval unless that is a single magnitude.
/// Nothing where it is too much.
fn narrow(isa: Isa, x: &[f32], interval: Interval) -> Option<(Counts, Vec<f32>)> {
    let mut total = Counts::default();
    let mut collected = [0.0; CAPACITY + CHUNK];
    let mut length = 0;
    for x in x.chunks(CHUNK) {
        let counts = count_at(isa, x, interval);
        total.above += counts.above;
        total.within += counts.within;
        total.largest = total.largest.max(counts.largest);
        if interval.low < interval.high {
            let free = collected.get_mut(length..)?;
            length += collect_at(isa, x, interval, free);
            if length > CAPACITY {
                return None;
            }
        }
    }
    Some((total, collected[..length].to_vec()))
}

by_level! {
    fn count_at(x: &[f32], interval: Interval) -> Counts = count;
    /// Writes what lies in the interval to the front of `out`, which has room for all; how many
    /// that is.
    fn collect_at(x: &[f32], interval: Interval, out: &mut [f32]) -> usize = collect;
}

#[inline(always)]
fn count(x: &[f32], interval: Interval) -> Counts {
    let (mut above, mut below, mut largest) = (0u32, 0u32, 0u32);
    for x in x {
        let bits = x.to_bits() & 0x7fff_ffff;
        above += u32::from(bits > interval.high);
        below += u32::from(bits < interval.low);
        largest = largest.max(bits);
    }
    Counts {
        above: above as usize,
        within: x.len() - (above + below) as usize,
        largest,
    }
}

#[inline(always)]
fn collect(x: &[f32], interval: Interval, out: &mut [f32]) -> usize {
    let width = interval.high - interval.low;
    let within = |x: &f32| (x.to_bits() & 0x7fff_ffff).wrapping_sub(interval.low) <= width;
    let mut length = 0;
    for x in x.chunks(SKIP) {
        if !x.iter().fold(false, |any, x| any | within(x)) {
            continue;
        }
        for x in x {
            // Without a branch: the next value overwrites what does not belong.
            out[length] = *x;
            length += usize::from(within(x));
        }
    }
    length
}
