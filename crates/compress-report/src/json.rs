//! JSON as reports hold it.

use serde::Serialize;

use crate::Result;

/// `value` as JSON that can be compared line by line: a line for each value, in the order of its
/// fields, and a newline at the end. What is not finite is null.
///
/// Round what is measured with [`rounded`](crate::rounded), so that a difference in a snapshot can
/// be read.
///
/// # Errors
/// Where `value` cannot be serialized.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
