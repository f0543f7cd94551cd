//! Histograms of what stands at each place, whose range doubles as larger values come.

use ndarray::ArrayView2;

use super::ByPlace;
use crate::Result;
use crate::kernels::memory::row_major;
use crate::kernels::reduce;
use crate::observe::{Place, Tap};

/// Bins of each sign.
const BINS: usize = 2048;

/// How often values of each size occurred.
///
/// The range is the smallest power of two above the largest magnitude seen (2⁻¹²⁶ at least). It
/// doubles when it must, by adding neighbouring bins. Powers of two make every boundary and every
/// merge exact, so the counts depend on the values alone, not on their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// The range is 2 to this power.
    exponent: i32,
    /// Counts of the magnitudes of negative values.
    negative: Vec<u64>,
    /// Counts of the other values.
    positive: Vec<u64>,
}

impl Histogram {
    fn new() -> Self {
        Histogram {
            exponent: exponent_above(0.0),
            negative: vec![0; BINS],
            positive: vec![0; BINS],
        }
    }

    /// The end of the range, a power of two: every magnitude lies below it.
    pub fn range(&self) -> f64 {
        power_of_two(self.exponent)
    }

    /// How many values were counted.
    pub fn total(&self) -> u64 {
        self.negative.iter().chain(&self.positive).sum()
    }

    /// Lower bound, upper bound and count of each bin, ascending. The first 2048 bins are below
    /// zero and hold their upper bound but not their lower one. As many follow from zero on, which
    /// hold their lower bound but not their upper one. ±0 counts in the first of these.
    pub fn bins(&self) -> impl Iterator<Item = (f64, f64, u64)> + '_ {
        let width = self.range() / BINS as f64;
        let at = move |i: usize, n: u64| (i as f64 * width, (i + 1) as f64 * width, n);
        let negative = self.negative.iter().enumerate().rev();
        let negative = negative.map(move |(i, &n)| at(i, n));
        let positive = self.positive.iter().enumerate();
        let positive = positive.map(move |(i, &n)| at(i, n));
        negative
            .map(|(low, high, n)| (-high, -low, n))
            .chain(positive)
    }

    /// Counts `values`, of which `absmax` is the largest magnitude; all finite.
    fn add(&mut self, values: &[f32], absmax: f32) {
        self.widen(exponent_above(absmax));
        let factor = BINS as f64 / self.range();
        for &v in values {
            // Exact up to the cast, which rounds down.
            let bin = (f64::from(v.abs()) * factor) as usize;
            let side = if v < 0.0 {
                &mut self.negative
            } else {
                &mut self.positive
            };
            side[bin.min(BINS - 1)] += 1;
        }
    }

    /// Makes the range at least 2 to the power of `exponent`.
    fn widen(&mut self, exponent: i32) {
        let doublings = exponent - self.exponent;
        if doublings <= 0 {
            return;
        }
        self.exponent = exponent;
        for side in [&mut self.negative, &mut self.positive] {
            let mut wider = vec![0; BINS];
            for (i, &count) in side.iter().enumerate() {
                wider[i.checked_shr(doublings as u32).unwrap_or(0)] += count;
            }
            *side = wider;
        }
    }
}

/// The exponent of the smallest power of two above `magnitude`, −126 at least.
fn exponent_above(magnitude: f32) -> i32 {
    ((magnitude.to_bits() >> 23) as i32 - 126).max(-126)
}

/// 2 to a power between −126 and 128.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// Collects [`Histogram`] for each place. Memory: 32 KiB for each place.
#[derive(Clone, Debug, Default)]
pub struct Histograms {
    /// In the order in which places were seen first.
    pub places: ByPlace<Histogram>,
}

impl Tap for Histograms {
    /// # Errors
    /// Where a value is NaN or infinite, naming the place, or the columns change.
    fn observe(&mut self, place: Place<'_>, rows: ArrayView2<'_, f32>) -> Result<()> {
        let entry = self.places.entry(place, rows.ncols(), Histogram::new)?;
        let what = place.to_string();
        let values = row_major(&what, rows)?;
        let values = values.as_slice().unwrap_or_default();
        let absmax = reduce::absmax(&what, values)?;
        entry.add(values, absmax);
        Ok(())
    }
}
