//! Measures what a coder's bits are spent on.

use super::logistic::UNIT;
use super::range_coder::{BitCoder, Encoder};

pub use super::part::Part;

#[cfg(test)]
mod tests;

/// An encoder that also counts its bits by part.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    encoder: Encoder,
    part: usize,
    /// Where the present part began.
    since: u64,
    spent: [u64; Part::ALL.len()],
}

impl Meter {
    /// The encoded bytes, and the bits spent on each of [`Part::ALL`].
    pub(crate) fn finish(mut self) -> (Vec<u8>, [f64; Part::ALL.len()]) {
        self.turn_to(0);
        (self.encoder.finish(), self.spent.map(bits))
    }

    /// All bits so far.
    pub(crate) fn bits(&self) -> f64 {
        bits(self.encoder.position())
    }

    fn turn_to(&mut self, part: usize) {
        let now = self.encoder.position();
        self.spent[self.part] += now.saturating_sub(self.since);
        (self.part, self.since) = (part, now);
    }
}

/// From units of [`Encoder::position`].
fn bits(units: u64) -> f64 {
    units as f64 / f64::from(UNIT)
}

impl BitCoder for Meter {
    fn code(&mut self, bit: bool, probability: u16) -> bool {
        self.encoder.code(bit, probability)
    }

    /// The biases stay one part until the next header.
    fn begin(&mut self, part: Part) {
        if Part::ALL[self.part] == Part::Biases && part != Part::Header {
            return;
        }
        self.turn_to(Part::ALL.iter().position(|p| *p == part).unwrap_or(0));
    }
}
