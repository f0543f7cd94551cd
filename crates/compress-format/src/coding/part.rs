//! The parts of a coded model.

/// A part of the coded bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The architecture, the grids, and everything else that is no other part.
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
    /// All parts.
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
