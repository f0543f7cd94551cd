//! The sign and the magnitude of a value that is known not to be zero.
//!
//! The sign is predicted from the neighbours' signs; the magnitude by a tree of yes-or-no
//! questions, each with its own adaptive probabilities. Small ranges ask "larger than 1? than
//! 2? …"; large ones ask for the number of digits in the same way, and then for the digits.

use super::geometry::Geometry;
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

/// Predicts values, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Magnitude<'a> {
    geometry: &'a Geometry,
    /// The values of the present row so far; the last is always 0.
    row: Vec<i32>,
    /// For each column how many values the rows above have, and the sum of their magnitudes.
    above: Vec<(u32, u32)>,
    sign_counters: Vec<Counter>,
    sign_mixer: Mixer<2>,
    counters: Vec<Counter>,
    mixer: Mixer<3>,
}

impl<'a> Magnitude<'a> {
    /// Before the first row of a matrix whose columns are arranged as `geometry`.
    pub(crate) fn new(geometry: &'a Geometry) -> Self {
        Magnitude {
            geometry,
            row: vec![0; geometry.columns() + 1],
            above: vec![(0, 0); geometry.columns()],
            sign_counters: vec![Counter::default(); 9 + 9],
            sign_mixer: Mixer::new(1, [20_000; 2], 16),
            counters: vec![Counter::default(); COUNTERS],
            mixer: Mixer::new(COUNTED as usize + 2, [16_000; 3], 16),
        }
    }

    /// Starts a row; call it before the first value of each.
    pub(crate) fn begin_row(&mut self) {
        self.row.fill(0);
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
        let near = self.geometry.neighbours(column).before;
        let near = [0, 1, 2, 3].map(|i| self.row[near[i] as usize]);
        let negative = if lowest == 0 || highest == 0 {
            highest == 0
        } else {
            self.code_sign(coder, &near, value < 0)
        };
        let most = if negative { lowest } else { highest };
        let (count, sum) = self.above[column];
        let mut questions = Questions {
            counters: &mut self.counters,
            mixer: &mut self.mixer,
            bases: [
                usize::from(negative) * QUESTIONS,
                NEAR + class(mean_magnitude(&near)) * QUESTIONS,
                ABOVE + class((2 * sum).checked_div(count).unwrap_or(0)) * QUESTIONS,
            ],
        };
        let magnitude = if most <= COUNTED {
            questions.count(coder, 0, value.unsigned_abs(), most)
        } else {
            questions.digits(coder, value.unsigned_abs(), most)
        };
        let value = if negative {
            -(magnitude as i32)
        } else {
            magnitude as i32
        };
        self.row[column] = value;
        // Halved before it can overflow, which also lets it follow a drift.
        let (count, sum) = if sum > 1 << 24 {
            (count / 2, sum / 2)
        } else {
            (count, sum)
        };
        self.above[column] = (count + 1, sum + magnitude);
        value
    }

    fn code_sign(&mut self, coder: &mut impl BitCoder, near: &[i32; 4], negative: bool) -> bool {
        let of = |value: i32| (value.signum() + 1) as usize;
        let vote: i32 = near.iter().map(|value| value.signum()).sum();
        let contexts = [3 * of(near[0]) + of(near[1]), 9 + (vote + 4) as usize];
        code_mixed(
            coder,
            negative,
            (&mut self.sign_counters, &contexts),
            &[],
            (&mut self.sign_mixer, 0),
        )
    }
}

/// The tree of questions in one situation.
struct Questions<'a> {
    counters: &'a mut [Counter],
    mixer: &'a mut Mixer<3>,
    bases: [usize; 3],
}

impl Questions<'_> {
    fn ask(&mut self, coder: &mut impl BitCoder, question: usize, answer: bool) -> bool {
        let contexts = self.bases.map(|base| base + question);
        let situation = question.min(COUNTED as usize + 1);
        code_mixed(
            coder,
            answer,
            (self.counters, &contexts),
            &[],
            (self.mixer, situation),
        )
    }

    /// A number from 1 to `most`, by asking at each whether it is larger.
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

/// Small means apart, large ones by their number of digits.
fn class(mean: u32) -> usize {
    if mean < 10 {
        mean as usize
    } else {
        (mean.ilog2() as usize + 7).min(CLASSES - 1)
    }
}
