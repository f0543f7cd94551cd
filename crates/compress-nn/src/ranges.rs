//! Checks of what a caller sets: each fails, naming the value, where it is out of its range.

use compress_core::{Error, Result};

pub(crate) fn at_least_one(what: &str, value: usize) -> Result<()> {
    check(value > 0, what, value, "at least 1")
}

pub(crate) fn positive(what: &str, value: f32) -> Result<()> {
    check(
        value.is_finite() && value > 0.0,
        what,
        value,
        "positive and finite",
    )
}

pub(crate) fn not_negative(what: &str, value: f32) -> Result<()> {
    check(
        value.is_finite() && value >= 0.0,
        what,
        value,
        "finite and not negative",
    )
}

/// In `[0, 1)`.
pub(crate) fn fraction(what: &str, value: f32) -> Result<()> {
    check(
        (0.0..1.0).contains(&value),
        what,
        value,
        "at least 0 and below 1",
    )
}

pub(crate) fn check(
    fine: bool,
    what: &str,
    value: impl std::fmt::Display,
    expected: &str,
) -> Result<()> {
    match fine {
        true => Ok(()),
        false => Err(Error::invalid(what, value, expected)),
    }
}
