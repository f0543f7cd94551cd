//! Which steps are done: the step and the state of its files, before and after.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use compress_core::{Error, Result};
use compress_io::Checkpoint;
use serde::{Deserialize, Serialize};

/// The steps that are done.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Record {
    done: Vec<Entry>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    /// The step and what it read.
    before: State,
    /// What it wrote.
    after: State,
}

/// Words, and files with their lengths and checksums.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct State {
    words: Vec<String>,
    files: Vec<(PathBuf, u64, u32)>,
}

impl Record {
    /// Reads a record; an empty one where there is none that can be read.
    pub(super) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(Error::other)?;
        compress_core::file::write(path, &text)
    }

    /// Whether a step was done from this state, and its output is still what it was.
    pub(super) fn is_done(&self, before: &State, output: &Path) -> bool {
        let same = self.done.iter().filter(|entry| entry.before == *before);
        let now = state(&[], [output]);
        same.into_iter()
            .any(|entry| now.as_ref().is_ok_and(|now| *now == entry.after))
    }

    pub(super) fn add(&mut self, before: State, output: &Path) -> Result<()> {
        let after = state(&[], [output])?;
        self.done.retain(|entry| entry.before != before);
        self.done.push(Entry { before, after });
        Ok(())
    }
}

/// Words, and the files at some paths; all files of a folder, by name.
pub(super) fn state<'a, P: AsRef<Path> + 'a + ?Sized>(
    words: &[String],
    paths: impl IntoIterator<Item = &'a P>,
) -> Result<State> {
    let mut files = Vec::new();
    for path in paths {
        let path = path.as_ref();
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        if !path.is_dir() {
            files.push(file(path)?);
            // Shards and external data belong to it.
            let more = Checkpoint::open(path).map(|checkpoint| checkpoint.files());
            for path in more.into_iter().flatten().skip(1) {
                files.push(file(&path)?);
            }
            continue;
        }
        let entries: std::io::Result<Vec<_>> = std::fs::read_dir(path).and_then(Iterator::collect);
        let mut paths: Vec<PathBuf> = entries
            .map_err(io)?
            .iter()
            .map(std::fs::DirEntry::path)
            .collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.is_file()) {
            files.push(file(path)?);
        }
    }
    let words = words.to_vec();
    Ok(State { words, files })
}

fn file(path: &Path) -> Result<(PathBuf, u64, u32)> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let mut from = File::open(path).map_err(io)?;
    let (mut hasher, mut length) = (crc32fast::Hasher::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = from.read(&mut buffer).map_err(io)?;
        if read == 0 {
            return Ok((path.to_owned(), length, hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
        length += read as u64;
    }
}
