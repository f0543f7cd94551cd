//! Writes files whole or not at all, and reads them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

#[cfg(test)]
mod tests;

/// Writes `bytes` to a new file beside `path`, and renames it to `path` once it is complete. So a
/// reader of `path` finds either the earlier file or this one, even after an interruption.
///
/// # Errors
/// [`Error::Io`] with `path`; nothing is left behind then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_all(&[(path.to_owned(), bytes)])
}

/// As [`write()`], for files that belong together: none gets its name before all are complete.
///
/// # Errors
/// [`Error::Io`] with the path at fault. Nothing half-written is left behind. Where a file cannot
/// be renamed (a folder has the name, say), those before it in the list have been replaced.
pub fn write_all(files: &[(PathBuf, &[u8])]) -> Result<()> {
    let mut pending = Pending(Vec::new());
    for (path, bytes) in files {
        let no_name =
            || std::io::Error::new(std::io::ErrorKind::InvalidInput, "not the name of a file");
        let temporary = beside(path).ok_or_else(|| io(path, no_name()))?;
        pending.0.push((temporary.clone(), path.clone()));
        write_new(&temporary, bytes).map_err(|source| io(path, source))?;
    }
    while let Some((temporary, path)) = pending.0.first() {
        fs::rename(temporary, path).map_err(|source| io(path, source))?;
        pending.0.remove(0);
    }
    Ok(())
}

/// Files that are written but not yet renamed. They are removed if that never happens.
struct Pending(Vec<(PathBuf, PathBuf)>);

impl Drop for Pending {
    fn drop(&mut self) {
        for (temporary, _) in &self.0 {
            // Best effort: only the first error matters.
            let _ = fs::remove_file(temporary);
        }
    }
}

fn io(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        source,
    }
}

/// Reads all of a file.
///
/// # Errors
/// [`Error::Io`] with `path`.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| io(path, source))
}

/// Adds the path of the file at fault to an error.
pub fn at(path: &Path, error: Error) -> Error {
    io(
        path,
        std::io::Error::new(std::io::ErrorKind::InvalidData, error),
    )
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name in the same directory that no other writer uses.
fn beside(path: &Path) -> Option<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name()?);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}.{number}.tmp", std::process::id()));
    Some(path.with_file_name(name))
}
