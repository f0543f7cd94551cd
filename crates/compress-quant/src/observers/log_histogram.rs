//! A histogram over all of f32, of fixed size. Its bins are narrow in proportion to their values.

/// Bits of a float that a bin is told by: sign, exponent, and seven bits of the mantissa.
const BIN_BITS: u32 = 16;

/// Counts how often values fell into each of 65,536 bins: half a mebibyte.
///
/// A bin holds the floats that share the sign, the exponent and the first seven bits of the
/// mantissa. So it is at most 1/128 of its values wide. The range need not be known beforehand, and
/// the counts do not depend on the order of values.
///
/// # References
/// Masson, Rim, Lee, *DDSketch*, 1908.10693: quantiles with relative error from logarithmic
/// bins; here the exponent and mantissa of the number itself stand for the logarithm.
#[derive(Clone, Debug)]
pub(super) struct LogHistogram {
    counts: Vec<u64>,
    total: u64,
    low: f32,
    high: f32,
}

impl Default for LogHistogram {
    fn default() -> Self {
        LogHistogram {
            counts: vec![0; 1 << BIN_BITS],
            total: 0,
            low: f32::INFINITY,
            high: f32::NEG_INFINITY,
        }
    }
}

impl LogHistogram {
    /// Counts a finite value.
    pub(super) fn add(&mut self, x: f32) {
        self.counts[(ordered(x) >> (32 - BIN_BITS)) as usize] += 1;
        self.total += 1;
        self.low = self.low.min(x);
        self.high = self.high.max(x);
    }

    /// The smallest and the largest value; `None` where there are none.
    pub(super) fn range(&self) -> Option<(f32, f32)> {
        (self.total > 0).then_some((self.low, self.high))
    }

    /// A value that the fraction `q`, from 0 to 1, of the values does not exceed: within the
    /// bin of the value of that rank, and exact at 0 and 1. `None` where there are no values.
    pub(super) fn quantile(&self, q: f64) -> Option<f32> {
        let (low, high) = self.range()?;
        if q <= 0.0 {
            return Some(low);
        }
        if q >= 1.0 {
            return Some(high);
        }
        let rank = q * self.total as f64;
        let mut before = 0.0;
        for (bin, &count) in self.counts.iter().enumerate() {
            let count = count as f64;
            if count > 0.0 && before + count >= rank {
                let (from, to) = edges(bin as u32);
                let (from, to) = (f64::from(from), f64::from(to));
                let value = from + (to - from) * ((rank - before) / count);
                return Some((value as f32).clamp(low, high));
            }
            before += count;
        }
        Some(high)
    }

    /// The middle of each bin that is not empty, ascending, and how often it occurred.
    pub(super) fn points(&self) -> Vec<(f32, f64)> {
        let occurring = self.counts.iter().enumerate().filter(|(_, c)| **c > 0);
        occurring
            .map(|(bin, &count)| {
                let (from, to) = edges(bin as u32);
                let middle = (0.5 * from + 0.5 * to).clamp(self.low, self.high);
                (middle, count as f64)
            })
            .collect()
    }
}

/// The ends of a bin, ascending: its smallest and its largest float. The bin that begins with zero
/// counts as zero alone, since activations are often zero and never subnormal.
fn edges(bin: u32) -> (f32, f32) {
    let first = bin << (32 - BIN_BITS);
    let last = first | ((1 << (32 - BIN_BITS)) - 1);
    let (from, to) = (value(first), value(last));
    if from == 0.0 || to == 0.0 {
        (0.0, 0.0)
    } else {
        (from, to)
    }
}

/// Bits that, as integers, are in the order of the floats.
fn ordered(x: f32) -> u32 {
    let bits = x.to_bits();
    bits ^ (((bits as i32 >> 31) as u32) | (1 << 31))
}

/// The float whose [`ordered`] bits these are.
fn value(ordered: u32) -> f32 {
    let mask = ((!ordered as i32 >> 31) as u32) | (1 << 31);
    f32::from_bits(ordered ^ mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_in_the_order_of_the_floats() {
        let ascending = [f32::MIN, -1.5, -1e-40, -0.0, 0.0, 1e-40, 1.5, f32::MAX];
        for pair in ascending.windows(2) {
            assert!(ordered(pair[0]) < ordered(pair[1]));
        }
        for x in ascending {
            assert_eq!(value(ordered(x)).to_bits(), x.to_bits());
        }
    }

    #[test]
    fn quantiles_are_within_a_bin_of_the_sorted_values() {
        let mut values: Vec<f32> = (0..5000)
            .map(|i| ((i * 7919) % 5003) as f32 - 1500.0)
            .collect();
        let mut histogram = LogHistogram::default();
        values.iter().for_each(|&x| histogram.add(x));
        values.sort_by(f32::total_cmp);
        for q in [0.001f64, 0.01, 0.25, 0.5, 0.9, 0.999, 0.9999] {
            let exact = values[((q * 5000.0).ceil() as usize).max(1) - 1];
            let found = histogram.quantile(q).unwrap();
            assert!(
                (exact - found).abs() <= exact.abs() / 128.0 + 1.0,
                "{q}: {exact} {found}"
            );
        }
        assert_eq!(histogram.quantile(0.0), Some(values[0]));
        assert_eq!(histogram.quantile(1.0), Some(values[4999]));
    }

    #[test]
    fn zeros_are_zero() {
        let mut histogram = LogHistogram::default();
        [0.0, -0.0, 0.0, 5.0, -5.0]
            .iter()
            .for_each(|&x| histogram.add(x));
        assert_eq!(histogram.quantile(0.5), Some(0.0));
        assert!(LogHistogram::default().quantile(0.5).is_none());
    }

    #[test]
    fn quantiles_within_a_bin_are_where_their_rank_is() {
        // All in the bin from 1 to 1 + 1/128.
        let mut histogram = LogHistogram::default();
        (0..1000).for_each(|i| histogram.add(1.0 + i as f32 / 128_000.0));
        for q in [0.1, 0.5, 0.9] {
            let found = f64::from(histogram.quantile(q).unwrap());
            assert!((found - (1.0 + q / 128.0)).abs() < 1e-5, "{q}: {found}");
        }
    }
}
