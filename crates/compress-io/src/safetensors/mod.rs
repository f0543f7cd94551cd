//! safetensors: a JSON header, then the bytes of the tensors. Large checkpoints are several files
//! with an index.
//!
//! # References
//! The format's description in the repository `huggingface/safetensors`.

mod header;
mod shards;
mod write;

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use compress_core::{Result, file};

use crate::dtype::TensorInfo;
use crate::map::Map;
use crate::metadata::Metadata;
use crate::source::Source;

pub(crate) use header::holds;
pub use shards::{Shards, create_shards};
pub(crate) use write::header_bytes;
pub use write::{arrange, create};

/// One file.
#[derive(Debug)]
pub struct Safetensors {
    map: Map,
    header: header::Header,
}

impl Safetensors {
    /// Opens a file.
    ///
    /// # Errors
    /// Where it cannot be read or breaks a rule of the format; names the file, and the byte or the
    /// tensor.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = Map::open(path)?;
        let header = header::read(map.bytes()).map_err(|error| file::at(path, error))?;
        Ok(Safetensors { map, header })
    }

    fn range(&self, index: usize) -> Range<usize> {
        let start = self.header.offsets[index];
        let next = self.header.offsets.get(index + 1).copied();
        start..next.unwrap_or(self.map.bytes().len())
    }
}

impl Source for Safetensors {
    fn tensors(&self) -> &[TensorInfo] {
        &self.header.tensors
    }

    fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(&self.map.bytes()[self.range(index)]))
    }

    fn place(&self, index: usize) -> Option<Range<u64>> {
        let Range { start, end } = self.range(index);
        Some(start as u64..end as u64)
    }

    fn release(&self, index: usize, bytes: Range<usize>) {
        let start = self.range(index).start;
        self.map.release(start + bytes.start..start + bytes.end);
    }
}

/// Whether a file that begins so is one.
pub(crate) fn detect(start: &[u8]) -> bool {
    start.get(8) == Some(&b'{') && start.get(4..8) == Some(&[0; 4])
}
