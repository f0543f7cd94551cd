//! GGUF, versions 2 and 3: what llama.cpp and others run.
//!
//! # References
//! `docs/gguf.md` in the repository `ggml-org/ggml`.

mod header;
mod mixtures;
mod types;
mod value;

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use compress_core::{Result, file};

use crate::dtype::{Dtype, TensorInfo};
use crate::map::Map;
use crate::metadata::{self, Metadata, Value};
use crate::source::{Plan, Sink, Source};
use crate::stream_file::StreamFile;

pub use mixtures::{MIXTURES, Mixture, fallback, file_type, is_quantized};

/// A file.
#[derive(Debug)]
pub struct Gguf {
    map: Map,
    header: header::Header,
}

impl Gguf {
    /// Opens a file.
    ///
    /// # Errors
    /// Where it cannot be read, breaks a rule of the format, or a tensor has a type that is not
    /// known here; names the file, and the byte or the tensor.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = Map::open(path)?;
        let header = header::read(map.bytes()).map_err(|error| file::at(path, error))?;
        Ok(Gguf { map, header })
    }
}

impl Source for Gguf {
    fn tensors(&self) -> &[TensorInfo] {
        &self.header.tensors
    }

    fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        let (start, length) = self.header.places[index];
        Ok(Cow::Borrowed(&self.map.bytes()[start..start + length]))
    }

    fn place(&self, index: usize) -> Option<Range<u64>> {
        let (start, length) = self.header.places[index];
        Some(start as u64..(start + length) as u64)
    }

    fn release(&self, index: usize, bytes: Range<usize>) {
        let (start, _) = self.header.places[index];
        self.map.release(start + bytes.start..start + bytes.end);
    }
}

/// Whether a file that begins so is one.
pub(crate) fn detect(start: &[u8]) -> bool {
    start.starts_with(&header::MAGIC)
}

/// Begins a file of version 3. Where tensors are in blocks, `general.quantization_version` is set.
///
/// # Errors
/// Where `general.architecture` is missing, a tensor has a type, a name or a shape that ggml does not
/// take, or the file cannot be written.
pub fn create(path: &Path, plan: &Plan) -> Result<Box<dyn Sink>> {
    let (header, alignment) = header_of(plan)?;
    let sizes: Result<Vec<_>> = plan
        .tensors
        .iter()
        .map(|info| Ok((info.name.clone(), info.bytes()?)))
        .collect();
    Ok(Box::new(StreamFile::create(
        path, &header, sizes?, alignment,
    )?))
}

/// Whether ggml has a type.
pub(crate) fn holds(dtype: Dtype) -> bool {
    types::number(dtype).is_some()
}

/// What tensors are aligned to, in bytes; as usual where the metadata says nothing that may be.
pub(crate) fn alignment(metadata: &Metadata) -> u64 {
    header::alignment(metadata).unwrap_or(header::ALIGNMENT)
}

/// How many bytes stand before the first tensor.
pub(crate) fn header_bytes(plan: &Plan) -> Result<u64> {
    Ok(header_of(plan)?.0.len() as u64)
}

/// The header of a plan, and what tensors are aligned to.
fn header_of(plan: &Plan) -> Result<(Vec<u8>, u64)> {
    /// The version of the block formats.
    const QUANTIZATION: (&str, Value) = ("general.quantization_version", Value::U32(2));
    let mut metadata = plan.metadata.clone();
    if metadata::get(&metadata, "general.architecture").is_none() {
        return Err(metadata::missing("general.architecture"));
    }
    let blocks = |info: &TensorInfo| matches!(info.dtype, Dtype::Block(_));
    if plan.tensors.iter().any(blocks) {
        let (key, version) = QUANTIZATION;
        metadata::set(&mut metadata, key, version);
    }
    header::write(&plan.tensors, &metadata)
}
