//! Writing one file.

use std::cmp::Reverse;
use std::path::Path;

use compress_core::Result;

use super::header;
use crate::metadata::{self, Metadata, Value};
use crate::source::{Plan, Sink};
use crate::stream_file::StreamFile;

/// Puts tensors with wide elements first and leaves their order otherwise as it is, so that each
/// begins at a multiple of its element's size.
pub fn arrange(plan: &mut Plan) {
    let bits = |info: &crate::TensorInfo| info.dtype.bits_per_weight() as u64;
    plan.tensors.sort_by_key(|info| Reverse(bits(info)));
}

/// Begins a file. Where the metadata does not say it, `format` is `pt`, as most readers expect.
///
/// # Errors
/// Where a type is none that safetensors has, a name is there twice, or the file cannot be written.
pub fn create(path: &Path, plan: &Plan) -> Result<Box<dyn Sink>> {
    metadata::check(&plan.metadata)?;
    let header = header::write(&plan.tensors, &texts(&plan.metadata))?;
    let sizes: Result<Vec<_>> = plan
        .tensors
        .iter()
        .map(|info| Ok((info.name.clone(), info.bytes()?)))
        .collect();
    Ok(Box::new(StreamFile::create(path, &header, sizes?, 1)?))
}

/// How many bytes stand before the first tensor.
pub(crate) fn header_bytes(plan: &Plan) -> Result<u64> {
    Ok(header::write(&plan.tensors, &texts(&plan.metadata))?.len() as u64)
}

/// Metadata as texts: numbers as they are shown. Lists are left out.
pub(super) fn texts(metadata: &Metadata) -> Vec<(String, String)> {
    let mut texts: Vec<(String, String)> = metadata
        .iter()
        .filter(|(_, value)| !matches!(value, Value::List(_)))
        .map(|(key, value)| (key.clone(), value.to_string()))
        .collect();
    if !texts.iter().any(|(key, _)| key == "format") {
        texts.push(("format".into(), "pt".into()));
    }
    texts
}
