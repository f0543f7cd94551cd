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
    /// read anything but zeros where these are fewer. Each block of columns has its own ranking. How
    /// many of a block stay is decided before anything is moved, by one ranking of the whole weight,
    /// since blocks may read very different inputs, as the border and the middle of an image.
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

    /// How it chooses from `weights` `[rows, columns]`, given the `live` ones of its columns and
    /// √[H⁻¹]ⱼⱼ of each column, when its turn comes.
    pub(super) fn among<'a>(
        self,
        live: &'a [bool],
        weights: ArrayView2<'_, f64>,
        pivots: &[f64],
    ) -> Choice<'a> {
        let mut choice = Choice {
            pattern: self,
            live,
            planned: Vec::new(),
        };
        if let Pattern::Density(density) = self {
            choice.plan(kept_count(density, weights.len()), weights, pivots);
        }
        choice
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

/// A pattern for one weight. Nothing stays of columns that are not live.
pub(super) struct Choice<'a> {
    pattern: Pattern,
    live: &'a [bool],
    /// For a density: how many weights stay in the columns before each, and in all.
    planned: Vec<usize>,
}

impl Choice<'_> {
    /// Plans how many of `kept` weights stay in each column, by one ranking of all as they are now.
    fn plan(&mut self, kept: usize, weights: ArrayView2<'_, f64>, pivots: &[f64]) {
        let mut counts = vec![0; self.live.len()];
        let scores = self.scores(0..self.live.len(), weights, pivots);
        let stays = largest(&scores, kept).into_iter();
        for ((column, _), _) in (0..counts.len())
            .zip(self.live)
            .cycle()
            .zip(stays)
            .filter(|((_, live), stays)| **live && *stays)
        {
            counts[column] += 1;
        }
        self.planned = std::iter::once(0).chain(counts).collect();
        (1..self.planned.len()).for_each(|j| self.planned[j] += self.planned[j - 1]);
    }

    /// The square roots of the errors, in the same order. Dead columns come behind all live ones.
    fn scores(
        &self,
        columns: Range<usize>,
        weights: ArrayView2<'_, f64>,
        pivots: &[f64],
    ) -> Vec<f64> {
        let live = &self.live[columns];
        let of = |((w, pivot), live): ((&f64, &f64), &bool)| match live {
            true => w.abs() / pivot,
            false => -1.0,
        };
        let rows = weights.rows().into_iter();
        rows.flat_map(|row| row.iter().zip(pivots).zip(live).map(of).collect::<Vec<_>>())
            .collect()
    }

    /// The pattern's blocks and groups of columns.
    pub(super) fn pattern(&self) -> Pattern {
        self.pattern
    }

    /// Marks what stays of the columns `columns` of a weight, whose values are `weights`
    /// `[rows, columns]`. `pivots` holds √[H⁻¹]ⱼⱼ of each column, when its turn comes.
    pub(super) fn choose(
        &self,
        columns: Range<usize>,
        weights: ArrayView2<'_, f64>,
        pivots: &[f64],
    ) -> Vec<bool> {
        let scores = self.scores(columns.clone(), weights, pivots);
        let mut keep = match self.pattern {
            Pattern::Density(_) => {
                let count = self.planned[columns.end] - self.planned[columns.start];
                largest(&scores, count)
            }
            Pattern::NOfM { n, .. } => {
                let rows = scores.chunks(columns.len().max(1));
                rows.flat_map(|scores| largest(scores, n)).collect()
            }
        };
        let live = &self.live[columns];
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
