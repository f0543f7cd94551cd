//! How the learning rate goes in one training.

use serde::Serialize;

/// By cosine from a peak to a fraction of it, after a linear rise.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Rate {
    /// The highest, for Adam.
    pub(crate) peak: f32,
    /// Fraction of it that the cosine ends at.
    pub(crate) floor: f32,
    /// Steps over which it rises first.
    pub(crate) warm_up_steps: usize,
}

impl Rate {
    pub(crate) const fn new(peak: f32, floor: f32, warm_up_steps: usize) -> Self {
        Rate {
            peak,
            floor,
            warm_up_steps,
        }
    }

    /// In a line, for the report.
    pub(crate) fn describe(&self) -> String {
        let Rate {
            peak,
            floor,
            warm_up_steps,
        } = self;
        format!("{peak} after {warm_up_steps} steps, by cosine to {floor} of it")
    }
}
