//! A state for each place that was seen.

use crate::observe::Place;
use crate::{Error, Result};

/// A state for each place, in the order in which places were seen first.
#[derive(Clone, Debug)]
pub struct ByPlace<S> {
    entries: Vec<Entry<S>>,
}

#[derive(Clone, Debug)]
struct Entry<S> {
    is_input: bool,
    name: String,
    columns: usize,
    state: S,
}

impl<S> Default for ByPlace<S> {
    fn default() -> Self {
        ByPlace {
            entries: Vec::new(),
        }
    }
}

impl<S> Entry<S> {
    fn place(&self) -> Place<'_> {
        match self.is_input {
            true => Place::InputOf(&self.name),
            false => Place::Value(&self.name),
        }
    }
}

impl<S> ByPlace<S> {
    /// The state of a place whose rows have so many columns; `new` makes it where the place is seen
    /// for the first time.
    ///
    /// # Errors
    /// Where its rows had another number of columns before.
    pub fn entry(
        &mut self,
        place: Place<'_>,
        columns: usize,
        new: impl FnOnce() -> S,
    ) -> Result<&mut S> {
        let found = self.entries.iter().position(|e| e.place() == place);
        let index = match found {
            Some(index) => {
                let known = [self.entries[index].columns];
                Error::check_shape(&format!("columns of {place}"), &known, &[columns])?;
                index
            }
            None => {
                self.entries.push(Entry {
                    is_input: matches!(place, Place::InputOf(_)),
                    name: place.name().to_owned(),
                    columns,
                    state: new(),
                });
                self.entries.len() - 1
            }
        };
        Ok(&mut self.entries[index].state)
    }

    /// The state of a place, if it was seen.
    pub fn get(&self, place: Place<'_>) -> Option<&S> {
        self.entries
            .iter()
            .find(|e| e.place() == place)
            .map(|e| &e.state)
    }

    /// All places with their states.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Place<'_>, &S)> {
        self.entries.iter().map(|e| (e.place(), &e.state))
    }

    /// How many places were seen.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
