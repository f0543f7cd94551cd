//! The sign and the magnitude of a value that is known not to be zero.
//!
//! The sign is predicted from the signs around it, and from how signs are balanced in the row, the
//! column and the matrix. The magnitude is coded by a tree of yes-or-no questions, each with
//! adaptive probabilities of its own, and predicted from the magnitudes around it. Small ranges ask
//! "larger than 1? than 2? …". Large ranges first ask for the number of digits in the same way, and
//! then for the digits.

use super::geometry::{BEFORE, Geometry};
use crate::coding::logistic::{log2, odds, squash};
use crate::coding::part::Part;
use crate::coding::predictor::{Counter, Mixer, code_mixed};
use crate::coding::range_coder::BitCoder;

/// Up to this magnitude values are counted up to; beyond it digits are coded.
const COUNTED: u32 = 16;

/// Digits below the first that have probabilities of their own.
const MODELLED_DIGITS: u32 = 3;

/// Binary digits of the largest magnitude: one more than 16-bit codes need.
const DIGITS: u32 = 17;

/// The largest magnitude.
pub(crate) const LARGEST: u32 = (1 << DIGITS) - 1;

/// Questions: one for each count, of values or of digits, then one for each prefix of digits of
/// each length.
const COUNTS: usize = 1 + DIGITS as usize;
const QUESTIONS: usize = COUNTS + (COUNTS << MODELLED_DIGITS);

/// Classes of a mean magnitude.
const CLASSES: usize = 26;

/// Where the tables of counters begin: the question alone with the sign, with the neighbours'
/// mean, with the column's.
const NEAR: usize = 2 * QUESTIONS;
const ABOVE: usize = NEAR + CLASSES * QUESTIONS;
const COUNTERS: usize = ABOVE + CLASSES * QUESTIONS;

/// Weights of the values before, by the square of their distance; in the order of
/// [`Geometry::before`].
const FIELD: [u32; BEFORE] = [
    36, 36, 18, 18, 9, 9, 7, 7, 7, 7, 5, 5, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 2, 2,
];

// Set by hand, as those of `positions.rs`.

/// The weight of imaginary values of either sign: around a value, in its row, in its column, and in
/// all.
const SIGN_PRIORS: [u32; 4] = [8, 3, 2, 4];
/// The weight of imaginary values of the mean magnitude around a value.
const MAGNITUDE_PRIOR: u32 = 38;

/// Initial weights of the evidence for a sign: around it, in its row, in its column, in all.
const SIGN_WEIGHTS: [i32; 4] = [32_000, -24_000, 16_000, 60_000];
/// Initial weights of the evidence for a magnitude: that of the tables, then the magnitudes around
/// it.
const MAGNITUDE_WEIGHTS: [i32; 4] = [48_000, 6_000, 6_000, 60_000];

/// How often values were negative and positive.
type Signs = [u32; 2];

/// Predicts values, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Magnitude<'a> {
    geometry: &'a Geometry,
    /// The values of the present row so far; the last is always 0.
    row: Vec<i32>,
    /// For each column, how many values the rows above have in it, and the sum of their magnitudes.
    /// The last entry is for all columns.
    above: Vec<(u32, u32)>,
    /// The same for their signs.
    signs: Vec<Signs>,
    signs_in_row: Signs,
    sign_mixer: Mixer<4>,
    counters: Vec<Counter>,
    mixer: Mixer<4>,
}

impl<'a> Magnitude<'a> {
    /// Before the first row of a matrix whose columns are arranged as `geometry`.
    pub(crate) fn new(geometry: &'a Geometry) -> Self {
        let columns = geometry.columns();
        Magnitude {
            geometry,
            row: vec![0; columns + 1],
            above: vec![(0, 0); columns + 1],
            signs: vec![[0; 2]; columns + 1],
            signs_in_row: [0; 2],
            sign_mixer: Mixer::new(1, SIGN_WEIGHTS, 40),
            counters: vec![Counter::default(); COUNTERS],
            mixer: Mixer::new(COUNTED as usize + 2, MAGNITUDE_WEIGHTS, 16),
        }
    }

    /// Starts a row; call it before the first value of each.
    pub(crate) fn begin_row(&mut self) {
        self.row.fill(0);
        self.signs_in_row = [0; 2];
    }

    /// Codes the value in `column` of the present row, which is not 0 and lies between
    /// −`lowest` and `highest`, one of which is not 0.
    pub(crate) fn code(
        &mut self,
        coder: &mut impl BitCoder,
        column: usize,
        value: i32,
        (lowest, highest): (u32, u32),
    ) -> i32 {
        let before = self.geometry.before(column).map(|c| self.row[c as usize]);
        coder.begin(Part::Signs);
        let negative = if lowest == 0 || highest == 0 {
            highest == 0
        } else {
            self.code_sign(coder, column, &before, value < 0)
        };
        coder.begin(Part::Magnitudes);
        let most = if negative { lowest } else { highest };
        let (count, sum) = self.above[column];
        let around = self.magnitude_around(&before);
        let mut questions = Questions {
            counters: &mut self.counters,
            mixer: &mut self.mixer,
            bases: [
                usize::from(negative) * QUESTIONS,
                NEAR + class(mean_magnitude(&before[..4])) * QUESTIONS,
                ABOVE + class((2 * sum).checked_div(count).unwrap_or(0)) * QUESTIONS,
            ],
            around,
        };
        let magnitude = if most <= COUNTED {
            questions.count(coder, 0, value.unsigned_abs(), most)
        } else {
            questions.digits(coder, value.unsigned_abs(), most)
        };
        self.row[column] = if negative {
            -(magnitude as i32)
        } else {
            magnitude as i32
        };
        for seen in [column, self.geometry.columns()] {
            let (count, sum) = &mut self.above[seen];
            if *sum > 1 << 24 {
                // Before it can overflow, which also lets it follow a drift.
                (*count, *sum) = (*count / 2, *sum / 2);
            }
            *count += 1;
            *sum += magnitude;
        }
        self.row[column]
    }

    fn code_sign(
        &mut self,
        coder: &mut impl BitCoder,
        column: usize,
        before: &[i32; BEFORE],
        negative: bool,
    ) -> bool {
        let mut around = [0; 2];
        for (&weight, &value) in FIELD.iter().zip(before) {
            around[usize::from(value > 0)] += weight * value.unsigned_abs().min(1);
        }
        let all = self.geometry.columns();
        let seen = [
            around,
            self.signs_in_row,
            self.signs[column],
            self.signs[all],
        ];
        let evidence = std::array::from_fn(|i| {
            let [negative, positive] = seen[i].map(|n| u64::from(n + SIGN_PRIORS[i]));
            odds(negative, positive)
        });
        let probability = squash(self.sign_mixer.mix(0, &evidence));
        let negative = coder.code(negative, probability);
        self.sign_mixer.update(0, &evidence, probability, negative);
        let sign = usize::from(!negative);
        self.signs_in_row[sign] += 1;
        self.signs[column][sign] += 1;
        self.signs[all][sign] += 1;
        negative
    }

    /// How much larger the values around this one are than values in general.
    fn magnitude_around(&self, before: &[i32; BEFORE]) -> i32 {
        let (mut weight, mut sum) = (0, 0);
        for (&near, &value) in FIELD.iter().zip(before) {
            weight += u64::from(near) * u64::from(value.unsigned_abs().min(1));
            sum += u64::from(near) * u64::from(value.unsigned_abs());
        }
        let (count, total) = self.above[self.geometry.columns()];
        // Starts as if two values of mean 1.5 had been seen.
        let (count, total) = (u64::from(count) + 2, u64::from(total) + 3);
        let prior = u64::from(MAGNITUDE_PRIOR);
        let (sum, weight) = (sum * count + prior * total, weight + prior);
        log2(sum) - log2(weight) - log2(total)
    }
}

/// The tree of questions in one situation.
struct Questions<'a> {
    counters: &'a mut [Counter],
    mixer: &'a mut Mixer<4>,
    bases: [usize; 3],
    /// The evidence from the magnitudes around the value.
    around: i32,
}

impl Questions<'_> {
    fn ask(&mut self, coder: &mut impl BitCoder, question: usize, answer: bool) -> bool {
        let contexts = self.bases.map(|base| base + question);
        let situation = question.min(COUNTED as usize + 1);
        code_mixed(
            coder,
            answer,
            (self.counters, &contexts),
            &[self.around],
            (self.mixer, situation),
        )
    }

    /// A number from 1 to `most`: asks at each number whether it is larger.
    fn count(&mut self, coder: &mut impl BitCoder, first: usize, number: u32, most: u32) -> u32 {
        let mut n = 1;
        while n < most && self.ask(coder, first + n as usize, number > n) {
            n += 1;
        }
        n
    }

    /// A number from 1 to `most`: its binary digits' number, then the digits after the first.
    fn digits(&mut self, coder: &mut impl BitCoder, number: u32, most: u32) -> u32 {
        let length = self.count(coder, 0, number.max(1).ilog2() + 1, most.ilog2() + 1);
        let mut prefix = 1;
        for digit in (0..length - 1).rev() {
            let given = length - 2 - digit;
            let bit = (number >> digit) & 1;
            prefix = if given < MODELLED_DIGITS {
                let question = COUNTS + ((length as usize) << MODELLED_DIGITS) + prefix as usize;
                (prefix << 1) | u32::from(self.ask(coder, question, bit == 1))
            } else {
                (prefix << 1) | coder.code_bits(bit, 1)
            };
        }
        prefix.min(most)
    }
}

/// Twice the mean magnitude of the values that are not 0; 0 without any.
fn mean_magnitude(values: &[i32]) -> u32 {
    let count = values.iter().filter(|v| **v != 0).count() as u32;
    let sum: u32 = values.iter().map(|v| v.unsigned_abs()).sum();
    (2 * sum).checked_div(count).unwrap_or(0)
}

/// Small means have a class each; larger ones share a class by their number of digits.
fn class(mean: u32) -> usize {
    if mean < 10 {
        mean as usize
    } else {
        (mean.ilog2() as usize + 7).min(CLASSES - 1)
    }
}
