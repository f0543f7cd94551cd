//! Where the non-zeros of a sparse matrix are.
//!
//! Magnitude pruning leaves structure behind: some rows and columns keep far more than others,
//! and where columns are pixels, what is kept clusters. Each position is predicted from its
//! neighbours in the row, from how dense its row has been so far, and from how dense its column
//! and the columns around it have been in the rows above.

use super::geometry::{Geometry, Neighbours};
use crate::coding::logistic::{LIMIT, UNIT, odds};
use crate::coding::predictor::{Counter, Mixer, code_mixed};
use crate::coding::range_coder::BitCoder;

/// Weights of a column, of those one step away and of those diagonal to it, when their counts are
/// pooled.
const POOL: [u64; 3] = [2, 3, 1];

/// Pretended observations at the overall density, before a row, a column and a pool have any.
const ROW_PRIOR: u64 = 96;
const COLUMN_PRIOR: u64 = 4;
const POOL_PRIOR: u64 = 8;

/// Counters come in tables, one for each kind of context.
const TABLES: usize = 4;
const TABLE: usize = 128;

/// Predicts positions, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Significance<'a> {
    geometry: &'a Geometry,
    /// Whether each position of the present row is set; the last is always unset.
    row: Vec<bool>,
    /// Set positions of each column in the rows above; the last is always 0.
    above: Vec<u32>,
    /// The evidence of each column and of its pool, from the rows above.
    columns: Vec<(i32, i32)>,
    rows: u64,
    set_in_row: u64,
    set: u64,
    seen: u64,
    counters: Vec<Counter>,
    mixer: Mixer<7>,
}

impl<'a> Significance<'a> {
    /// Before the first row of a matrix whose columns are arranged as `geometry`.
    pub(crate) fn new(geometry: &'a Geometry) -> Self {
        let columns = geometry.columns();
        Significance {
            geometry,
            row: vec![false; columns + 1],
            above: vec![0; columns + 1],
            columns: vec![(0, 0); columns],
            rows: 0,
            set_in_row: 0,
            set: 0,
            seen: 0,
            counters: vec![Counter::default(); TABLES * TABLE],
            mixer: Mixer::new(1, [8000, 8000, 8000, 8000, 6000, 6000, 0], 2),
        }
    }

    /// Starts a row; call it before the first position of each.
    pub(crate) fn begin_row(&mut self) {
        if self.seen > 0 {
            self.rows += 1;
            for (above, set) in self.above.iter_mut().zip(&mut self.row) {
                *above += u32::from(std::mem::take(set));
            }
        }
        self.set_in_row = 0;
        for column in 0..self.columns.len() {
            let neighbours = self.geometry.neighbours(column);
            let (pooled, weight) = self.pool(column, &neighbours);
            self.columns[column] = (
                self.evidence(self.above[column].into(), self.rows, COLUMN_PRIOR),
                self.evidence(pooled, weight * self.rows, POOL_PRIOR),
            );
        }
    }

    /// Codes whether the position in `column` of the present row is set.
    pub(crate) fn code(&mut self, coder: &mut impl BitCoder, column: usize, set: bool) -> bool {
        let near = self.geometry.neighbours(column).before;
        let pattern = (0..6).fold(0, |p, i| p | usize::from(self.row[near[i] as usize]) << i);
        let count = (pattern & 15).count_ones() as usize;
        let (alone, pooled) = self.columns[column];
        let row = self.evidence(self.set_in_row, column as u64, ROW_PRIOR);
        let overall = odds(2 * self.set + 1, 2 * (self.seen - self.set) + 40);
        // Were rows and columns independent, their evidence beyond the overall one would add up.
        let product = (row + pooled - overall).clamp(-LIMIT, LIMIT);
        let contexts = [
            pattern,
            TABLE + 4 * class(product, 10, 20) + count.min(3),
            2 * TABLE + 8 * class(alone, 9, 12) + class(row, 9, 8),
            3 * TABLE + 3 * class(pooled, 10, 24) + count.min(2),
        ];
        let set = code_mixed(
            coder,
            set,
            (&mut self.counters, &contexts),
            &[product, pooled, UNIT],
            (&mut self.mixer, 0),
        );
        self.row[column] = set;
        self.set_in_row += u64::from(set);
        self.set += u64::from(set);
        self.seen += 1;
        set
    }

    /// How many of the positions above `column` and around them are set, weighted, and the weight
    /// of one row of them.
    fn pool(&self, column: usize, near: &Neighbours) -> (u64, u64) {
        let [west, north, north_west, north_east, ..] = near.before;
        let [east, south, south_west, south_east] = near.after;
        let none = self.geometry.columns();
        let mut pooled = POOL[0] * u64::from(self.above[column]);
        let mut weight = POOL[0];
        for (share, group) in [
            (POOL[1], [west, north, east, south]),
            (POOL[2], [north_west, north_east, south_west, south_east]),
        ] {
            for neighbour in group {
                pooled += share * u64::from(self.above[neighbour as usize]);
                weight += share * u64::from((neighbour as usize) < none);
            }
        }
        (pooled, weight)
    }

    /// The log-odds of `set` out of `seen`, after `prior` more at the overall density.
    fn evidence(&self, set: u64, seen: u64, prior: u64) -> i32 {
        const PARTS: u64 = 256;
        let prior_set = prior * PARTS * (2 * self.set + 1) / (2 * self.seen + 42);
        odds(
            PARTS * set + prior_set,
            PARTS * (seen - set) + PARTS * prior - prior_set.min(PARTS * prior),
        )
    }
}

/// Which of `classes` equal parts between odds of 2^−`low` and 2 evidence falls into.
fn class(evidence: i32, low: i32, classes: i32) -> usize {
    ((evidence + low * UNIT) * classes / ((low + 1) * UNIT)).clamp(0, classes - 1) as usize
}
