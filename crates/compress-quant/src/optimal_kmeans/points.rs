//! The distinct values that are divided into clusters.

use compress_core::{Error, Result};

use super::sort::sorted;

/// Checks what k-means is given.
pub(super) fn check(name: &str, values: &[f32], levels: usize) -> Result<()> {
    Error::check_finite(name, values)?;
    if values.is_empty() {
        return Err(Error::Empty { what: name.into() });
    }
    if levels == 0 {
        return Err(Error::invalid(format!("levels of {name}"), 0, "positive"));
    }
    Ok(())
}

/// Distinct values, ascending, and how often each occurs.
#[derive(Debug, Default)]
pub(super) struct Points {
    pub(super) values: Vec<f64>,
    pub(super) counts: Vec<f64>,
}

impl Points {
    /// The distinct ones of finite values.
    pub(super) fn distinct(values: &[f32]) -> Self {
        let mut points = Points::default();
        points.extend(&sorted(values));
        points
    }

    /// Adds ascending values that lie above all present ones.
    pub(super) fn extend(&mut self, sorted: &[f32]) {
        for run in sorted.chunk_by(|a, b| a == b) {
            self.push(run[0].into(), run.len() as f64);
        }
    }

    pub(super) fn push(&mut self, value: f64, count: f64) {
        self.values.push(value);
        self.counts.push(count);
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn part(&self, keep: impl Fn(f64) -> bool) -> Points {
        let kept = self.values.iter().zip(&self.counts).filter(|p| keep(*p.0));
        let (values, counts) = kept.map(|(&v, &c)| (v, c)).unzip();
        Points { values, counts }
    }

    pub(super) fn mirrored(mut self) -> Points {
        self.values.reverse();
        self.values.iter_mut().for_each(|value| *value = -*value);
        self.counts.reverse();
        self
    }

    /// The weighted mean of `from..to`, summed relative to the first value.
    pub(super) fn mean(&self, from: usize, to: usize) -> f64 {
        let base = self.values[from];
        let (mut sum, mut weight) = (0.0, 0.0);
        for (value, count) in self.values[from..to].iter().zip(&self.counts[from..to]) {
            sum += (value - base) * count;
            weight += count;
        }
        base + sum / weight
    }

    /// The means of the clusters that `ends` divides the values into. What lies before the
    /// first end belongs to no cluster.
    pub(super) fn levels(&self, ends: &[usize]) -> Vec<f32> {
        // A mean lies within its cluster, and so does the nearest f32: levels stay distinct.
        let mean = |pair: &[usize]| self.mean(pair[0], pair[1]) as f32;
        ends.windows(2).map(mean).collect()
    }
}
