//! Tensors that were changed, in a temporary file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Mutex;

use compress_core::{Error, Result};

/// The bytes of some tensors of a checkpoint.
#[derive(Debug)]
pub(crate) struct Edits {
    /// Begins when the first is written. It has no name, so nothing is left of it.
    file: Mutex<Option<File>>,
    /// Where the bytes of each are, and how many.
    places: Vec<Option<(u64, usize)>>,
}

impl Edits {
    /// None of so many tensors.
    pub(crate) fn new(tensors: usize) -> Self {
        Edits {
            file: Mutex::new(None),
            places: vec![None; tensors],
        }
    }

    pub(crate) fn has(&self, index: usize) -> bool {
        self.places[index].is_some()
    }

    pub(crate) fn read(&self, index: usize, name: &str) -> Result<Option<Vec<u8>>> {
        let Some((start, length)) = self.places[index] else {
            return Ok(None);
        };
        let mut locked = self.file.lock().map_err(poisoned)?;
        let Some(file) = locked.as_mut() else {
            return Ok(None);
        };
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|error| temporary(name, &error))?;
        Ok(Some(bytes))
    }

    /// One tensor more.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.places.push(None);
        self.write(self.places.len() - 1, name, bytes)
    }

    /// Where a tensor is written again with as many bytes, it takes the place that it had.
    pub(crate) fn write(&mut self, index: usize, name: &str, bytes: &[u8]) -> Result<()> {
        let file = self.file.get_mut().map_err(poisoned)?;
        let file = match file {
            Some(file) => file,
            None => file.insert(tempfile::tempfile().map_err(|error| temporary(name, &error))?),
        };
        let start = match self.places[index] {
            Some((start, length)) if length == bytes.len() => SeekFrom::Start(start),
            _ => SeekFrom::End(0),
        };
        let start = file
            .seek(start)
            .and_then(|at| file.write_all(bytes).map(|()| at));
        let start = start.map_err(|error| temporary(name, &error))?;
        self.places[index] = Some((start, bytes.len()));
        Ok(())
    }
}

/// Why a changed tensor cannot be kept.
fn temporary(name: &str, error: &std::io::Error) -> Error {
    let folder = std::env::temp_dir();
    let folder = folder.display();
    let text = format!(
        "{name} was changed, and the temporary file in {folder} that is to hold it fails: {error}; \
         TMPDIR can name another folder"
    );
    Error::Other(text.into())
}

fn poisoned<T>(_: std::sync::PoisonError<T>) -> Error {
    Error::Other("another thread failed while it read a changed tensor".into())
}
