//! Which weights of some columns are pruned.

use std::ops::Range;

use compress_core::Result;
use compress_core::kernels::select;
use ndarray::ArrayView2;

use crate::error::check_fraction;
use crate::structure::{check_some_stay, kept_count};

/// Which weights [`crate::SparseGpt`] prunes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// This fraction of a weight's values stays, `round(fraction · n)` of `n`, halves up; all that
    /// read anything but zeros where these are fewer. Each block of columns has its own ranking.
    Density(f64),
    /// Of each M consecutive values of a row N stay; of a shorter group at the end of a row too.
    NOfM {
        /// How many values of a group stay.
        n: usize,
        /// How many values a group has.
        m: usize,
    },
}

impl Pattern {
    /// Fails where a setting is out of range, or rounding would leave none of `count` values.
    pub(super) fn check(self, weight: &str, count: usize) -> Result<()> {
        match self {
            Pattern::Density(density) => {
                check_fraction("the density", density)?;
                Ok(check_some_stay(weight, "weights", density, count)?)
            }
            Pattern::NOfM { n, m } => select::NOfM::new(n, m).map(|_| ()),
        }
    }

    /// Whether anything is to stay.
    pub(super) fn keeps_some(self) -> bool {
        match self {
            Pattern::Density(density) => density > 0.0,
            Pattern::NOfM { n, .. } => n > 0,
        }
    }

    /// How it chooses from a weight with so many `rows`, and the `live` ones of its columns.
    pub(super) fn among(self, live: &[bool], rows: usize) -> Choice<'_> {
        let count = live.iter().filter(|&&live| live).count();
        let pattern = match self {
            // Dead columns give their share to the live ones.
            Pattern::Density(density) if count < live.len() => {
                let kept = kept_count(density, rows * live.len()) as f64;
                Pattern::Density((kept / (rows * count) as f64).min(1.0))
            }
            same => same,
        };
        Choice { pattern, live }
    }

    /// Columns that are chosen from together when a block has `block`.
    pub(super) fn block(self, block: usize) -> usize {
        match self {
            Pattern::Density(_) => block,
            Pattern::NOfM { m, .. } => block.div_ceil(m).saturating_mul(m),
        }
    }

    /// For each group of columns of a block that are chosen from when its first one's turn has come,
    /// its columns, relative to the block.
    pub(super) fn groups(self, block: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let width = block.len();
        let step = match self {
            Pattern::Density(_) => width,
            Pattern::NOfM { m, .. } => m,
        };
        (0..width)
            .step_by(step.max(1))
            .map(move |first| first..width.min(first.saturating_add(step)))
    }
}

/// A pattern for the columns of a weight that are live; nothing stays of the others.
pub(super) struct Choice<'a> {
    /// Its density is one of the live columns.
    pub(super) pattern: Pattern,
    live: &'a [bool],
}

impl Choice<'_> {
    /// Marks what stays of the columns `columns` of a weight, whose values are `weights`
    /// `[rows, columns]`. `pivots` holds √[H⁻¹]ⱼⱼ of each column, when its turn comes.
    pub(super) fn choose(
        &self,
        columns: Range<usize>,
        weights: ArrayView2<'_, f64>,
        pivots: &[f64],
    ) -> Vec<bool> {
        let (rows, width) = weights.dim();
        let live = &self.live[columns.clone()];
        // The square root of the error, in the same order. Dead columns come behind all live ones.
        let score = |row: usize, j: usize| match live[j] {
            true => weights[(row, j)].abs() / pivots[j],
            false => -1.0,
        };
        let mut keep: Vec<bool> = match self.pattern {
            Pattern::Density(density) => {
                // So many before these columns, and with them: exact in sum.
                let kept = |columns: usize| {
                    let live = self.live[..columns].iter().filter(|&&live| live);
                    kept_count(density, rows * live.count())
                };
                let count = kept(columns.end) - kept(columns.start);
                let scores = (0..rows).flat_map(|row| (0..width).map(move |j| score(row, j)));
                largest(&scores.collect::<Vec<_>>(), count)
            }
            Pattern::NOfM { n, .. } => (0..rows)
                .flat_map(|row| {
                    let scores: Vec<f64> = (0..width).map(|j| score(row, j)).collect();
                    largest(&scores, n)
                })
                .collect(),
        };
        keep.iter_mut()
            .zip(live.iter().cycle())
            .for_each(|(keep, live)| *keep &= live);
        keep
    }
}

/// Marks the `count` largest, at most all; the first of equals.
fn largest(scores: &[f64], count: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let count = count.min(order.len());
    if count > 0 && count < order.len() {
        order.select_nth_unstable_by(count, |&a, &b| {
            scores[b].total_cmp(&scores[a]).then(a.cmp(&b))
        });
    }
    let mut keep = vec![false; scores.len()];
    order[..count].iter().for_each(|&i| keep[i] = true);
    keep
}
