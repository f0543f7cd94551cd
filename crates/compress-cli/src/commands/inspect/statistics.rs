//! What is counted of one tensor.

use compress_core::Result;
use compress_io::{Checkpoint, Dtype, Source, values};
use rayon::prelude::*;
use serde::Serialize;

/// Values that are counted at a time: whole blocks of every type.
const PIECE: usize = 1 << 18;
/// Bars of a histogram.
const BARS: usize = 21;

/// Range, zeros and entropy of a tensor.
#[derive(Debug, Serialize)]
pub(super) struct Statistics {
    /// Of the finite values.
    least: Option<f32>,
    largest: Option<f32>,
    zeros: Option<f64>,
    /// NaN and infinities.
    not_finite: u64,
    /// Bits for each value, by the bytes of an element one by one. None where values are decoded from
    /// codes.
    entropy: Option<f64>,
    /// How many values are in each of equal parts of the range from the least to the largest.
    histogram: Vec<u64>,
}

/// Counts of a part.
#[derive(Clone)]
struct Counts {
    least: f32,
    largest: f32,
    zeros: u64,
    not_finite: u64,
}

impl Statistics {
    /// Counts a tensor. What stands for no real numbers has an entropy alone.
    pub(super) fn of(checkpoint: &Checkpoint, index: usize) -> Result<Self> {
        let info = &checkpoint.tensors()[index];
        let bytes = checkpoint.bytes(index)?;
        let is_stored = checkpoint.stored(index)?.0 == info.dtype;
        let entropy = is_stored.then(|| {
            let bits = entropy(info.dtype, &bytes) * 8.0 * bytes.len() as f64;
            bits / (info.values() as f64).max(1.0)
        });
        let mut statistics = Statistics {
            least: None,
            largest: None,
            zeros: None,
            not_finite: 0,
            entropy,
            histogram: Vec::new(),
        };
        if info.dtype.is_float() {
            statistics.count(checkpoint, index, &bytes)?;
        }
        let length = bytes.len();
        drop(bytes);
        checkpoint.release(index, 0..length);
        Ok(statistics)
    }

    fn count(&mut self, checkpoint: &Checkpoint, index: usize, bytes: &[u8]) -> Result<()> {
        let info = &checkpoint.tensors()[index];
        let piece = info.dtype.bytes(PIECE).unwrap_or(1) as usize;
        let read = |bytes: &[u8]| -> Result<Vec<f32>> {
            let count = (bytes.len() as u128 * PIECE as u128 / piece as u128) as usize;
            let mut read = vec![0.0; count];
            values::widen_into(info.dtype, &info.name, bytes, &mut read)?;
            Ok(read)
        };
        let parts: Result<Vec<Counts>> = bytes
            .par_chunks(piece)
            .map(|b| Ok(counts(&read(b)?)))
            .collect();
        let whole = parts?.into_iter().reduce(Counts::plus);
        self.not_finite = whole.as_ref().map_or(0, |whole| whole.not_finite);
        let Some(whole) = whole.filter(|whole| whole.least <= whole.largest) else {
            return Ok(());
        };
        self.least = Some(whole.least);
        self.largest = Some(whole.largest);
        self.zeros = Some(whole.zeros as f64 / info.values() as f64);
        let (least, width) = (
            f64::from(whole.least),
            f64::from(whole.largest) - f64::from(whole.least),
        );
        let bars = bytes.par_chunks(piece).map(|bytes| {
            let mut bars = vec![0_u64; BARS];
            for value in read(bytes)?.into_iter().filter(|v| v.is_finite()) {
                let place = (f64::from(value) - least) / width * BARS as f64;
                // NaN, where all values are equal, becomes 0.
                bars[(place as usize).min(BARS - 1)] += 1;
            }
            Ok(bars)
        });
        let bars: Result<Vec<Vec<u64>>> = bars.collect();
        self.histogram = vec![0; BARS];
        for part in bars? {
            self.histogram
                .iter_mut()
                .zip(part)
                .for_each(|(sum, count)| *sum += count);
        }
        Ok(())
    }

    /// Least, largest, zeros, entropy.
    pub(super) fn cells(&self) -> Vec<String> {
        let number = |value: Option<f32>| value.map_or("".into(), |v| format!("{v:.4}"));
        let mut zeros = self
            .zeros
            .map_or("".into(), |share| format!("{:.1} %", 100.0 * share));
        if self.not_finite > 0 {
            zeros += &format!(" {} not finite", self.not_finite);
            zeros = zeros.trim_start().to_owned();
        }
        vec![
            number(self.least),
            number(self.largest),
            zeros,
            self.entropy.map_or("".into(), |bits| format!("{bits:.2}")),
        ]
    }

    /// A line for each bar.
    pub(super) fn histogram(&self) -> String {
        const WIDTH: u64 = 50;
        let (Some(least), Some(largest)) = (self.least, self.largest) else {
            return "no values to count\n".into();
        };
        let most = self.histogram.iter().copied().max().unwrap_or(1).max(1);
        let step = (f64::from(largest) - f64::from(least)) / BARS as f64;
        let bars = self.histogram.iter().enumerate().map(|(i, &count)| {
            let from = f64::from(least) + i as f64 * step;
            // What is there is seen.
            let width = (count * WIDTH).div_ceil(most) as usize;
            let line = format!("{from:>12.5}  {:<50}  {count}", "█".repeat(width));
            format!("{}\n", line.trim_end())
        });
        bars.collect()
    }
}

impl Counts {
    fn plus(self, other: Counts) -> Counts {
        Counts {
            least: self.least.min(other.least),
            largest: self.largest.max(other.largest),
            zeros: self.zeros + other.zeros,
            not_finite: self.not_finite + other.not_finite,
        }
    }
}

fn counts(values: &[f32]) -> Counts {
    let mut counts = Counts {
        least: f32::INFINITY,
        largest: f32::NEG_INFINITY,
        zeros: 0,
        not_finite: 0,
    };
    for &value in values {
        if value.is_finite() {
            counts.least = counts.least.min(value);
            counts.largest = counts.largest.max(value);
            counts.zeros += u64::from(value == 0.0);
        } else {
            counts.not_finite += 1;
        }
    }
    counts
}

/// The entropy of the bytes as a share of their length: of each byte of an element by itself.
fn entropy(dtype: Dtype, bytes: &[u8]) -> f64 {
    let width = match dtype.block() {
        Some((_, bytes)) => bytes,
        None => (dtype.bits_per_weight() as usize / 8).max(1),
    };
    // Blocks are long: their bytes are taken as one kind.
    let kinds = if width > 16 { 1 } else { width };
    let piece = kinds << 16;
    let sums = bytes
        .par_chunks(piece)
        .map(|bytes| {
            let mut counts = vec![[0_u32; 256]; kinds];
            for element in bytes.chunks(kinds) {
                for (counts, &byte) in counts.iter_mut().zip(element) {
                    counts[usize::from(byte)] += 1;
                }
            }
            let counts = counts.into_iter().map(|c| c.map(u64::from).to_vec());
            counts.collect::<Vec<Vec<u64>>>()
        })
        .reduce(
            || vec![vec![0; 256]; kinds],
            |mut sums, counts| {
                for (sum, count) in sums.iter_mut().flatten().zip(counts.into_iter().flatten()) {
                    *sum += count;
                }
                sums
            },
        );
    let bits: f64 = sums
        .iter()
        .map(|counts| {
            let total: u64 = counts.iter().sum();
            let total = total as f64;
            let of = |&count: &u64| match count {
                0 => 0.0,
                _ => count as f64 * (total / count as f64).log2(),
            };
            counts.iter().map(of).sum::<f64>()
        })
        .sum();
    bits / (8.0 * bytes.len() as f64).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entropy_is_that_of_each_byte_of_an_element() {
        // The first byte of each half is one of four, the second always the same.
        let bytes: Vec<u8> = (0..4096).flat_map(|i| [i as u8 % 4, 7]).collect();
        assert!((entropy(Dtype::F16, &bytes) - 2.0 / 16.0).abs() < 1e-12);
        // As bytes, both kinds are mixed.
        assert!(entropy(Dtype::U8, &bytes) > 2.0 / 16.0);
        assert_eq!(entropy(Dtype::F32, &[]), 0.0);
    }
}
