//! From GGUF to safetensors.

use compress_core::{Error, Result};

use super::architectures;
use super::modules::Named;
use super::rotation;
use crate::checkpoint::Checkpoint;
use crate::dtype::{Dtype, TensorInfo};
use crate::metadata::{self, Metadata};
use crate::source::{Plan, Source};
use crate::stream::{self, RowOrder, Step};

/// What becomes of a GGUF file as safetensors: the plan of the file, and a step for each tensor.
///
/// Tensors of the architectures llama, qwen2 and bert get the names and the order of rows of Hugging
/// Face's libraries, and tables of factors of rotations are left out. Other tensors keep their
/// names. Blocks become f32; other types stay.
///
/// # Errors
/// Where `general.architecture` is missing, or rows are permuted and the number of heads is missing
/// or does not divide them; names the key or the tensor.
pub fn from_gguf(checkpoint: &Checkpoint) -> Result<(Plan, Vec<Step<'static>>)> {
    let metadata = checkpoint.metadata();
    let name = metadata::get(metadata, "general.architecture").and_then(|value| value.as_text());
    let name = name.ok_or_else(|| metadata::missing("general.architecture"))?;
    let architecture = architectures::by_name(name);
    let mut steps = Vec::new();
    for (from, info) in checkpoint.tensors().iter().enumerate() {
        let modules = architecture.map_or(&[][..], |known| known.modules);
        if architecture.is_some() && info.name == "rope_freqs.weight" {
            continue;
        }
        let named = Named::find(modules, &info.name, |module| module.gguf);
        let dtype = match info.dtype {
            Dtype::Block(_) => Dtype::F32,
            plain => plain,
        };
        let new = named.map_or_else(|| info.name.clone(), |named| named.hugging_face());
        let to = TensorInfo::new(new, dtype, info.shape.clone());
        let order = match named.is_some_and(|named| named.module.is_rotated) {
            true => Some(order(metadata, name, info)?),
            false => None,
        };
        steps.push(Step {
            from,
            how: stream::rounded(info, &to),
            to,
            order,
        });
    }
    let tensors = steps.iter().map(|step| step.to.clone()).collect();
    let metadata = metadata.clone();
    Ok((Plan { tensors, metadata }, steps))
}

/// The order of the rows of a tensor of queries or keys.
fn order(metadata: &Metadata, architecture: &str, info: &TensorInfo) -> Result<RowOrder<'static>> {
    let count = |key: &str| -> Result<Option<usize>> {
        let key = format!("{architecture}.{key}");
        let Some(value) = metadata::get(metadata, &key) else {
            return Ok(None);
        };
        let count = value
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| *n > 0);
        count
            .map(Some)
            .ok_or_else(|| Error::invalid(key, value, "a count"))
    };
    let needed = |key: &str| {
        let missing = || metadata::missing(format!("{architecture}.{key}"));
        count(key)?.ok_or_else(missing)
    };
    let length = match count("attention.key_length")? {
        Some(length) => length,
        None => needed("embedding_length")? / needed("attention.head_count")?,
    };
    let rows = info.shape.first().copied().unwrap_or(0);
    if length == 0 || !length.is_multiple_of(2) || !rows.is_multiple_of(length) {
        let what = format!("the number of rows of {}", info.name);
        let expected = format!("a multiple of {length}, the length of a head, which must be even");
        return Err(Error::invalid(what, rows, expected));
    }
    Ok(rotation::to_halves(length))
}
