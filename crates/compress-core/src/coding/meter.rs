//! What a coder's output is spent on.

use super::logistic::{UNIT, log2};
use super::range_coder::{BitCoder, Encoder};

#[cfg(test)]
mod tests;

/// What coded bits are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The architecture, grids, and all that no other part is.
    Header,
    /// How many non-zeros each row has.
    Counts,
    /// Where the non-zeros are.
    Positions,
    /// Signs of weights.
    Signs,
    /// Magnitudes of weights.
    Magnitudes,
    /// All of the biases.
    Biases,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 6] = [
        Part::Header,
        Part::Counts,
        Part::Positions,
        Part::Signs,
        Part::Magnitudes,
        Part::Biases,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Part::Header => "header",
            Part::Counts => "counts",
            Part::Positions => "positions",
            Part::Signs => "signs",
            Part::Magnitudes => "magnitudes",
            Part::Biases => "biases",
        }
    }
}

/// An encoder that adds up the ideal length of what it encodes, by part.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    encoder: Encoder,
    part: usize,
    /// In bits over [`UNIT`].
    spent: [u64; Part::ALL.len()],
}

impl Meter {
    /// The encoded bytes, and the bits spent on each of [`Part::ALL`].
    pub(crate) fn finish(self) -> (Vec<u8>, [f64; Part::ALL.len()]) {
        let bits = self.spent.map(|spent| spent as f64 / f64::from(UNIT));
        (self.encoder.finish(), bits)
    }

    /// All bits so far.
    pub(crate) fn bits(&self) -> f64 {
        self.spent.iter().sum::<u64>() as f64 / f64::from(UNIT)
    }
}

impl BitCoder for Meter {
    fn code(&mut self, bit: bool, probability: u16) -> bool {
        let set = u64::from(probability.max(1));
        let likely = if bit { set } else { (1 << 16) - set };
        self.spent[self.part] += (16 * UNIT - log2(likely)) as u64;
        self.encoder.code(bit, probability)
    }

    /// The biases stay one part until the next header.
    fn begin(&mut self, part: Part) {
        if Part::ALL[self.part] == Part::Biases && part != Part::Header {
            return;
        }
        self.part = Part::ALL.iter().position(|p| *p == part).unwrap_or(0);
    }
}
