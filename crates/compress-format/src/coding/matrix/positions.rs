//! Where the non-zeros of a sparse matrix are.
//!
//! Magnitude pruning leaves structure behind. Some rows and columns keep far more weights than
//! others, and where columns are pixels, the kept weights form clusters.
//!
//! The number of non-zeros of a row is known before the row. They are expected in proportion to how
//! dense each column and its neighbours have been in the rows above. The odds are then corrected by
//! how far past expectations were off: in this neighbourhood of the row, in this column, and beside
//! such neighbours.

use super::counts::Counts;
use super::geometry::{BEFORE, Geometry};
use crate::coding::logistic::{UNIT, log2, odds, squash};
use crate::coding::part::Part;
use crate::coding::predictor::{Mixer, Ratio};
use crate::coding::range_coder::BitCoder;

// The priors and the initial weights of this folder were set by hand, while the networks of the record
// were coded. No script derives them. `docs/format/stream.md`, chapter 8, has what they are worth.

/// Imaginary positions at the overall density, for a column and its neighbours without any yet.
const POOL_PRIOR: u64 = 23;

/// Pretended set positions, in units of 2⁻¹⁶, of each kind of correction.
const PRIORS: [u64; 3] = [1 << 16, 9 << 16, 4 << 16];
/// The same for the surroundings of a position, where both are counted alike.
const FIELD_PRIOR: u64 = 52_000;

/// Classes of a probability: 1.5 for each factor of two from 1/2^10 on.
const CLASSES: i32 = 16;

/// Parts of a row that have a density of their own.
const ZONES: usize = 32;

/// Initial weights of the corrections, and how fast they learn.
const WEIGHTS: [i32; 4] = [16_000, 40_000, 28_000, 28_000];
const RATE: i32 = 26;

/// Predicts positions, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Positions<'a> {
    geometry: &'a Geometry,
    counts: Counts,
    /// For the present row, whether each position is set and how likely that was. The last entry is
    /// always unset and unlikely.
    row: Vec<(bool, u16)>,
    /// Set positions of each column in the rows above; the last is always 0.
    above: Vec<u32>,
    /// The expected density of each column, in units of 2⁻¹⁶, and the sum over those still to come.
    rates: Vec<u64>,
    rates_left: u64,
    /// Set positions of the present row to come, and all of its positions to come.
    set_left: usize,
    left: usize,
    rows: u64,
    set: u64,
    patterns: Vec<Ratio>,
    classes: Vec<Ratio>,
    zones: Vec<Ratio>,
    mixer: Mixer<4>,
}

impl<'a> Positions<'a> {
    /// Before the first row of a matrix whose columns are arranged as `geometry`.
    pub(crate) fn new(geometry: &'a Geometry) -> Self {
        let columns = geometry.columns();
        Positions {
            geometry,
            counts: Counts::default(),
            row: vec![(false, 0); columns + 1],
            above: vec![0; columns + 1],
            rates: vec![0; columns],
            rates_left: 0,
            set_left: 0,
            left: 0,
            rows: 0,
            set: 0,
            patterns: vec![Ratio::default(); 64],
            classes: vec![Ratio::default(); CLASSES as usize],
            zones: vec![Ratio::default(); ZONES],
            mixer: Mixer::new(1, WEIGHTS, RATE),
        }
    }

    /// Codes which positions of the next row are set: one entry for each column, or fewer.
    pub(crate) fn code_row(&mut self, coder: &mut impl BitCoder, mut row: Vec<bool>) -> Vec<bool> {
        let set = row.iter().filter(|set| **set).count();
        coder.begin(Part::Counts);
        let set = self.counts.code(coder, set as u32, row.len() as u32) as usize;
        coder.begin(Part::Positions);
        self.begin_row(set, row.len());
        for (column, set) in row.iter_mut().enumerate() {
            // The rest of a row is known once it must be full, or has all of its set positions.
            *set = match self.set_left {
                0 => false,
                n if n == self.left => true,
                _ => self.code(coder, column, *set),
            };
            self.row[column].0 = *set;
            self.set_left -= usize::from(*set);
            self.left -= 1;
        }
        row
    }

    fn begin_row(&mut self, set: usize, columns: usize) {
        for (above, position) in self.above.iter_mut().zip(&mut self.row) {
            *above += u32::from(std::mem::take(position).0);
        }
        (self.set_left, self.left) = (set, columns);
        if set > 0 && set < columns {
            let seen = self.rows * self.geometry.columns() as u64;
            let overall = ((2 * self.set + 1) << 16) / (2 * seen + 40);
            for (column, rate) in self.rates.iter_mut().enumerate() {
                let (pooled, weight) = pool(self.geometry, &self.above, column);
                let pooled = (pooled << 16) + POOL_PRIOR * overall;
                *rate = (pooled / (weight * self.rows + POOL_PRIOR)).max(1);
            }
            self.rates_left = self.rates[..columns].iter().sum();
        }
        self.rows += 1;
        self.set += set as u64;
    }

    fn code(&mut self, coder: &mut impl BitCoder, column: usize, set: bool) -> bool {
        let yes = self.set_left as u64 * self.rates[column];
        let no = self.rates_left.saturating_sub(yes).max(yes >> 5);
        let base = odds(yes, no);
        let expected = squash(base);
        self.rates_left = self.rates_left.saturating_sub(self.rates[column]);
        let near = self.geometry.before(column);
        let pattern = (0..6).fold(0, |p, i| p | usize::from(self.row[near[i] as usize].0) << i);
        let class = (base + 10 * UNIT) * 3 / (2 * UNIT);
        let class = class.clamp(0, CLASSES - 1) as usize;
        let zone = column * ZONES / self.geometry.columns();
        let evidence = [
            self.patterns[pattern].evidence(PRIORS[0]),
            self.classes[class].evidence(PRIORS[1]),
            self.zones[zone].evidence(PRIORS[2]),
            self.field(&near),
        ];
        let probability = squash(base + self.mixer.mix(0, &evidence));
        let set = coder.code(set, probability);
        self.mixer.update(0, &evidence, probability, set);
        self.patterns[pattern].update(expected, set);
        self.classes[class].update(expected, set);
        self.zones[zone].update(expected, set);
        self.row[column].1 = expected;
        set
    }

    /// How much more than expected is set around here in the present row.
    fn field(&self, near: &[u32; BEFORE]) -> i32 {
        let (mut set, mut expected) = (0, 0);
        for &column in near {
            let (is_set, likely) = self.row[column as usize];
            set += u64::from(is_set);
            expected += u64::from(likely);
        }
        log2((set << 16) + FIELD_PRIOR) - log2(expected + FIELD_PRIOR)
    }
}

/// How many of the positions `above` are set in column `column` and around it, and how many
/// positions a row has there.
fn pool(geometry: &Geometry, above: &[u32], column: usize) -> (u64, u64) {
    let around = geometry.around(column);
    let pooled = around
        .iter()
        .map(|&c| u64::from(above[c as usize]))
        .sum::<u64>();
    let count = around
        .iter()
        .filter(|c| (**c as usize) < geometry.columns());
    (pooled + u64::from(above[column]), 1 + count.count() as u64)
}
