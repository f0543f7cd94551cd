//! Bands: where each boundary between two clusters may lie, and the program within them.

use super::rows::{Prefix, Row};

/// For each boundary between two clusters how many values at least and at most lie below it.
#[derive(Debug)]
pub(super) struct Bands(Vec<(usize, usize)>);

impl Bands {
    /// Makes bands of how many values lie below each boundary, at least and at most. None where a
    /// cluster would be left without values.
    pub(super) fn new(mut ranges: Vec<(usize, usize)>) -> Option<Bands> {
        let mut least = 0;
        for (low, high) in &mut ranges {
            least = (least + 1).max(*low);
            *low = least;
            if least > *high {
                return None;
            }
        }
        Some(Bands(ranges))
    }

    /// How many places for a boundary there are in all.
    pub(super) fn entries(&self) -> usize {
        self.0.iter().map(|(low, high)| high - low + 1).sum()
    }

    /// How many values at least and at most lie below each boundary.
    #[cfg(test)]
    pub(super) fn ranges(&self) -> &[(usize, usize)] {
        &self.0
    }

    /// Where the best clusters within the bands end. The first entry is where the first cluster
    /// begins.
    pub(super) fn cluster_ends(&self, prefix: &Prefix) -> Vec<usize> {
        let n = prefix.sums.len() - 1;
        let (mut gains, mut base) = (vec![0.0], 0);
        let mut splits = Vec::with_capacity(self.0.len() + 1);
        for &(low, high) in self.0.iter().chain([&(n, n)]) {
            let previous = Row {
                gains: &gains,
                base,
            };
            let candidates = (base, base + gains.len() - 1);
            let length = high + 1 - low;
            let (mut next, mut best) = (vec![f64::NEG_INFINITY; length], vec![0; length]);
            prefix.divide(previous, low, candidates, &mut next, &mut best);
            splits.push((low, best));
            (gains, base) = (next, low);
        }
        let mut ends = vec![n];
        let mut end = n;
        for (low, best) in splits.iter().rev() {
            end = best[end - low] as usize;
            ends.push(end);
        }
        ends.reverse();
        ends
    }
}
