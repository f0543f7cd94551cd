//! Looking algorithms up by name, as command lines and recipes do.

use crate::{Error, Result};

/// A list of algorithms of one kind that can be made by name.
pub trait Named {
    /// Its name: that of the type, in snake case.
    fn name(&self) -> &'static str;
}

/// The entry of this name.
///
/// # Errors
/// [`Error::UnknownName`] lists the names that exist; `what` says of what.
pub fn look_up<'a, T: Named>(what: &'static str, registry: &'a [T], name: &str) -> Result<&'a T> {
    registry
        .iter()
        .find(|entry| entry.name() == name)
        .ok_or_else(|| {
            let known: Vec<&str> = registry.iter().map(Named::name).collect();
            Error::UnknownName {
                what,
                name: name.to_owned(),
                known: known.join(", "),
            }
        })
}

#[cfg(test)]
mod tests;
