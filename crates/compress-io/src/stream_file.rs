//! A file whose tensors follow one another, each at a multiple of some bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use compress_core::{Error, Result};

use crate::source::Sink;

/// Bytes that are collected before they are written.
const BUFFER: usize = 1 << 20;

/// A header that stands as it is, and tensors behind it.
#[derive(Debug)]
pub(crate) struct StreamFile {
    path: PathBuf,
    to: BufWriter<File>,
    /// Names and lengths in bytes of the tensors that are to come, the next one last.
    pending: Vec<(String, u64)>,
    /// What is missing of the current one.
    missing: u64,
    /// Bytes behind the current one, up to the next multiple.
    padding: u64,
    alignment: u64,
}

impl StreamFile {
    /// Begins a file with `header`, at whose end the first tensor begins. Behind each tensor are
    /// zeros up to a multiple of `alignment` bytes.
    pub(crate) fn create(
        path: &Path,
        header: &[u8],
        mut tensors: Vec<(String, u64)>,
        alignment: u64,
    ) -> Result<Self> {
        tensors.reverse();
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let mut to = BufWriter::with_capacity(BUFFER, File::create(path).map_err(io)?);
        to.write_all(header).map_err(io)?;
        let mut file = StreamFile {
            path: path.to_owned(),
            to,
            pending: tensors,
            missing: 0,
            padding: 0,
            alignment: alignment.max(1),
        };
        file.next();
        Ok(file)
    }

    /// Goes on to the next tensor that has bytes. The current one is the last of `pending`.
    fn next(&mut self) {
        while let Some((_, bytes)) = self.pending.last() {
            if *bytes > 0 {
                self.missing = *bytes;
                let padded = bytes.checked_next_multiple_of(self.alignment);
                self.padding = padded.map_or(0, |padded| padded - bytes);
                return;
            }
            self.pending.pop();
        }
    }

    fn io(&self, source: io::Error) -> Error {
        Error::Io {
            path: self.path.clone(),
            source,
        }
    }
}

impl Sink for StreamFile {
    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.pending.is_empty() {
                let what = format!(
                    "the bytes behind the last tensor of {}",
                    self.path.display()
                );
                return Err(Error::invalid(what, bytes.len(), "none"));
            }
            let length = self.missing.min(bytes.len() as u64) as usize;
            let (now, later) = bytes.split_at(length);
            self.to.write_all(now).map_err(|e| self.io(e))?;
            self.missing -= length as u64;
            bytes = later;
            if self.missing == 0 {
                let zeros = io::copy(
                    &mut io::Read::take(io::repeat(0), self.padding),
                    &mut self.to,
                );
                zeros.map_err(|e| self.io(e))?;
                self.pending.pop();
                self.next();
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if let Some((name, _)) = self.pending.last() {
            let what = format!("the bytes that are missing of {name}");
            return Err(Error::invalid(what, self.missing, "none"));
        }
        self.to.flush().map_err(|e| self.io(e))?;
        self.to.get_ref().sync_all().map_err(|e| self.io(e))
    }
}
