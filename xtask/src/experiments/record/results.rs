//! What was measured on the students of a run.

use crate::experiments::decoded::Decoded;

/// One student as its file says it is.
pub(super) struct Measured {
    pub(super) seed: u64,
    pub(super) file: Vec<u8>,
    pub(super) decoded: Decoded,
    /// Weights that are not zero.
    pub(super) weights: usize,
    /// Non-zeros of the first layer as a plain one on the pixels, and of all others.
    pub(super) plain_weights: usize,
    pub(super) validation_errors: usize,
    pub(super) test_errors: Option<usize>,
}

/// The errors of each teacher, then of their mean logits.
pub(super) struct TeacherErrors {
    pub(super) validation: Vec<usize>,
    pub(super) test: Option<Vec<usize>>,
}

/// What was measured.
pub(super) struct Results {
    /// In the order of their files.
    pub(super) students: Vec<Measured>,
    pub(super) teachers: TeacherErrors,
    /// How many images errors are counted on; `None` where the test set stayed shut.
    pub(super) validation: usize,
    pub(super) test: Option<usize>,
}
