//! Where a factorization stops.

use crate::Error;

/// The first pivot that is not a positive finite number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pivot {
    /// Its row.
    pub(super) index: usize,
    pub(super) value: f64,
}

impl Pivot {
    /// Of the matrix `what`, after these dampings were tried.
    pub(super) fn error(self, what: &str, tried: Vec<f64>) -> Error {
        Error::NotPositiveDefinite {
            what: what.to_owned(),
            pivot: self.index,
            value: self.value,
            tried,
        }
    }
}
