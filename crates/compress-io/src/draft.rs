//! Files that get their names when they are complete.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use compress_core::{Error, Result};
use tempfile::TempDir;

/// A folder beside a target, in which its file is written, along with others that belong to it, such
/// as shards. They replace what is there when [`Draft::publish`] is called, or are removed.
#[derive(Debug)]
pub struct Draft {
    folder: TempDir,
    target: PathBuf,
}

impl Draft {
    /// A draft of `target`, whose folder must exist.
    ///
    /// # Errors
    /// [`Error::Io`] with the path, where it is not the name of a file or its folder cannot be
    /// written.
    pub fn new(target: impl Into<PathBuf>) -> Result<Self> {
        let target = target.into();
        let io = |source| Error::Io {
            path: target.clone(),
            source,
        };
        let no_name =
            || std::io::Error::new(std::io::ErrorKind::InvalidInput, "not the name of a file");
        let name = target.file_name().ok_or_else(|| io(no_name()))?;
        if target.is_dir() {
            let what = "is a folder, not a file";
            return Err(io(std::io::Error::new(
                std::io::ErrorKind::IsADirectory,
                what,
            )));
        }
        let prefix = format!(".{}.", name.to_string_lossy());
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix(&prefix).suffix(".tmp");
        let folder = builder.tempdir_in(parent(&target)).map_err(io)?;
        Ok(Draft { folder, target })
    }

    /// Where the target is written until it is published.
    pub fn path(&self) -> PathBuf {
        self.beside(self.target.file_name().unwrap_or_default())
    }

    /// Where another file is written that will lie beside the target.
    pub fn beside(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives all files their names: the target last, since it may refer to the others. Returns how
    /// many bytes they have together.
    ///
    /// # Errors
    /// [`Error::Io`] with the path at fault. Files before it have been replaced then.
    pub fn publish(self) -> Result<u64> {
        let mut bytes = 0;
        let draft = self.path();
        let mut names = Vec::new();
        let entries = fs::read_dir(self.folder.path()).and_then(Iterator::collect);
        let entries: Vec<fs::DirEntry> = entries.map_err(|e| self.io(&self.target, e))?;
        names.extend(entries.into_iter().map(|entry| entry.path()));
        names.sort_by_key(|path| (*path == draft, path.clone()));
        for from in names {
            let to = parent(&self.target).join(from.file_name().unwrap_or_default());
            let mut publish = || {
                let file = File::open(&from)?;
                file.sync_all()?;
                bytes += file.metadata()?.len();
                fs::rename(&from, &to)
            };
            publish().map_err(|e| self.io(&to, e))?;
        }
        Ok(bytes)
    }

    fn io(&self, path: &Path, source: std::io::Error) -> Error {
        let path = path.to_owned();
        Error::Io { path, source }
    }
}

/// The folder of a path; the current one for a bare name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_replaced_before_it_is_published() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("model.bin");
        fs::write(&target, "old").unwrap();
        let write = || {
            let draft = Draft::new(&target).unwrap();
            fs::write(draft.path(), "new").unwrap();
            fs::write(draft.beside("part.bin"), "part").unwrap();
            draft
        };
        drop(write());
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing is left"
        );
        assert_eq!(write().publish().unwrap(), 7);
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read(dir.path().join("part.bin")).unwrap(), b"part");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(Draft::new(dir.path()).is_err(), "a folder");
        assert!(Draft::new(dir.path().join("none/x")).is_err(), "no folder");
    }
}
