//! Files beside a model that hold values of its tensors.

use std::ops::Range;
use std::path::{Component, Path};

use compress_core::{Error, Result};

use super::tensor::Place;
use crate::dtype::TensorInfo;
use crate::map::Map;

/// The files that a model names, each mapped once.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: Vec<(String, Map)>,
}

impl Files {
    /// Opens the file of a tensor's values, unless it is open. Gives its number, and the place of
    /// the values there.
    ///
    /// # Errors
    /// Names the tensor: where the file is not in the folder of `model`, cannot be read, or ends
    /// before the values do.
    pub(super) fn find(
        &mut self,
        model: &Path,
        place: &Place,
        info: &TensorInfo,
    ) -> Result<(usize, Range<usize>)> {
        let location = &place.location;
        let what = |part: &str| format!("the {part} of the external data of {}", info.name);
        let mut parts = Path::new(location).components();
        let is_inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        // A backslash is a separator elsewhere, and a colon names a drive or a stream.
        if !parts.all(is_inside) || location.contains(['\\', ':', '\0']) {
            let expected = "a file in the folder of the model";
            return Err(Error::invalid(what("location"), location, expected));
        }
        let known = self.files.iter().position(|(name, _)| name == location);
        let number = match known {
            Some(number) => number,
            None => {
                let map = Map::open(&model.with_file_name(location))?;
                self.files.push((location.clone(), map));
                self.files.len() - 1
            }
        };
        let bytes = info.bytes()?;
        if place.length.is_some_and(|length| length != bytes) {
            let length = place.length.unwrap_or_default();
            return Err(Error::invalid(what("length"), length, bytes.to_string()));
        }
        let size = self.files[number].1.bytes().len() as u64;
        match place.offset.checked_add(bytes) {
            Some(end) if end <= size => Ok((number, place.offset as usize..end as usize)),
            _ => {
                let expected = format!("at most {}", i128::from(size) - i128::from(bytes));
                Err(Error::invalid(what("offset"), place.offset, expected))
            }
        }
    }

    pub(super) fn get(&self, number: usize) -> &Map {
        &self.files[number].1
    }

    /// The bytes of all.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = self.files.iter().map(|(_, map)| map.bytes().len() as u64);
        bytes.sum()
    }

    /// Their names, as the model has them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }
}
