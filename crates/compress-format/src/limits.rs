//! How much a reader takes of what a file claims.

/// No file of a chain may have more parameters than this, nor more features.
pub const MOST_PARAMETERS: usize = 1 << 28;

/// Values that any file may claim: those of the largest model that one stream holds.
pub(crate) const FREE_VALUES: usize = 1 << 19;

/// Values that a file may claim more for each of its bytes: a tensor of zeros takes a few bits for
/// many values.
pub(crate) const VALUES_PER_BYTE: usize = 256;

/// The most values that a reader takes from a file of this length, unless it is told another limit.
pub fn most_values(length: u64) -> usize {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    FREE_VALUES.saturating_add(length.saturating_mul(VALUES_PER_BYTE))
}
