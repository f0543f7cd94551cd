//! The beginning of a GGUF file: metadata, and a line for each tensor.

use std::collections::HashSet;

use compress_core::{Error, Result};

use super::types;
use super::value;
use crate::cursor::Cursor;
use crate::dtype::TensorInfo;
use crate::metadata::{self, Metadata};

pub(super) const MAGIC: [u8; 4] = *b"GGUF";
/// The version that is written.
const VERSION: u32 = 3;
/// What tensors are aligned to unless the file says otherwise, in bytes.
pub(super) const ALIGNMENT: u64 = 32;
const ALIGNMENT_KEY: &str = "general.alignment";
/// The most dimensions that ggml has.
const MOST_DIMENSIONS: usize = 4;
/// The longest name of a tensor that ggml takes, in bytes, its end marker included.
const MOST_NAME: usize = 64;

/// A header that was read.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) tensors: Vec<TensorInfo>,
    /// Where the bytes of each begin, from the beginning of the file, and how many they are.
    pub(super) places: Vec<(usize, usize)>,
    pub(super) metadata: Metadata,
}

/// Reads and checks the header of the file `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Header> {
    let mut from = Cursor::new(bytes);
    if from.array("the first word")? != MAGIC {
        return Err(Cursor::new(bytes).error("this is no GGUF file: it does not begin with GGUF"));
    }
    let version = from.u32("the version")?;
    if !matches!(version, 2 | 3) {
        let note = match version.swap_bytes() {
            2 | 3 => "; it is big-endian, which is not read",
            _ => "",
        };
        let reason = format!("the version is {version}, but 2 and 3 are read{note}");
        return Err(from.error(reason));
    }
    // A name's length, a type, and the least that they leave.
    let tensors = from.count(8 + 4 + 8 + 4 + 8, "the number of tensors")?;
    let keys = from.count(8 + 4 + 1, "the number of keys")?;
    let mut metadata = Metadata::new();
    let mut names = HashSet::new();
    for _ in 0..keys {
        let key = from.text("a key")?;
        let read = value::read(&mut from, &key)?;
        if !names.insert(key.clone()) {
            return Err(from.error(format!("the key {key} is there twice")));
        }
        metadata.push((key, read));
    }
    let alignment = alignment(&metadata)?;
    let mut header = Header {
        tensors: Vec::with_capacity(tensors),
        places: Vec::with_capacity(tensors),
        metadata,
    };
    names.clear();
    for _ in 0..tensors {
        let (info, offset) = tensor(&mut from)?;
        if !names.insert(info.name.clone()) {
            return Err(from.error(format!("tensor {} is there twice", info.name)));
        }
        if !offset.is_multiple_of(alignment) {
            let name = &info.name;
            let reason = format!("tensor {name} begins at {offset}, no multiple of {alignment}");
            return Err(from.error(reason));
        }
        let length = info.bytes()?;
        header.places.push((
            usize::try_from(offset).map_err(Error::other)?,
            usize::try_from(length).map_err(Error::other)?,
        ));
        header.tensors.push(info);
    }
    let start = (from.at() as u64).next_multiple_of(alignment) as usize;
    place(&mut header, start, bytes.len())?;
    Ok(header)
}

/// What tensors are aligned to, in bytes.
pub(super) fn alignment(metadata: &Metadata) -> Result<u64> {
    let Some(value) = metadata::get(metadata, ALIGNMENT_KEY) else {
        return Ok(ALIGNMENT);
    };
    match value.as_u64() {
        Some(alignment) if alignment.is_power_of_two() && alignment <= 1 << 20 => Ok(alignment),
        _ => Err(Error::invalid(
            ALIGNMENT_KEY,
            value,
            "a power of two up to 2²⁰",
        )),
    }
}

/// The line of one tensor, and its offset.
fn tensor(from: &mut Cursor<'_>) -> Result<(TensorInfo, u64)> {
    let name = from.text("the name of a tensor")?;
    let dimensions = from.u32(&format!("the number of dimensions of {name}"))? as usize;
    if dimensions > MOST_DIMENSIONS {
        let reason = format!("tensor {name} has {dimensions} dimensions, ggml at most 4");
        return Err(from.error(reason));
    }
    let mut shape = Vec::with_capacity(dimensions);
    for _ in 0..dimensions {
        let length = from.u64(&format!("a dimension of {name}"))?;
        shape.push(usize::try_from(length).map_err(Error::other)?);
    }
    shape.reverse();
    let number = from.u32(&format!("the type of {name}"))?;
    let Some(dtype) = types::dtype(number) else {
        return Err(from.error(types::unknown(&name, number)));
    };
    let offset = from.u64(&format!("the offset of {name}"))?;
    Ok((TensorInfo::new(name, dtype, shape), offset))
}

/// Makes offsets those from the beginning of the file, and checks that no tensor reaches into
/// another or beyond the end.
fn place(header: &mut Header, start: usize, end: usize) -> Result<()> {
    let mut order: Vec<usize> = (0..header.tensors.len()).collect();
    order.sort_by_key(|&i| header.places[i]);
    let mut free = start;
    for i in order {
        let (offset, length) = header.places[i];
        let name = &header.tensors[i].name;
        let error = |reason: String| Error::Format {
            offset: end,
            reason,
        };
        let Some(from) = start.checked_add(offset) else {
            return Err(error(format!(
                "the offset of {name} is {offset}: beyond the file"
            )));
        };
        let Some(to) = from.checked_add(length).filter(|&to| to <= end) else {
            let reason =
                format!("tensor {name} has {length} bytes from {from} on: the file is cut off");
            return Err(error(reason));
        };
        if length > 0 && from < free {
            return Err(error(format!(
                "tensor {name} lies upon another at byte {from}"
            )));
        }
        header.places[i].0 = from;
        free = free.max(to);
    }
    Ok(())
}

/// The header of a file, up to its first tensor, and what tensors are aligned to.
pub(super) fn write(tensors: &[TensorInfo], metadata: &Metadata) -> Result<(Vec<u8>, u64)> {
    let alignment = alignment(metadata)?;
    let mut to = MAGIC.to_vec();
    to.extend(VERSION.to_le_bytes());
    to.extend((tensors.len() as u64).to_le_bytes());
    to.extend((metadata.len() as u64).to_le_bytes());
    metadata::check(metadata)?;
    for (key, of) in metadata {
        value::write_text(&mut to, key);
        value::write(&mut to, of);
    }
    let mut names = HashSet::new();
    let mut offset = 0_u64;
    for info in tensors {
        let name = &info.name;
        let refuse = |what: &str, value: String, expected: String| {
            Err(Error::invalid(format!("{what} of {name}"), value, expected))
        };
        if !names.insert(name) {
            return refuse("the name", name.clone(), "one that no other has".into());
        }
        if name.len() >= MOST_NAME {
            let expected = format!("shorter than {MOST_NAME}, as ggml wants it");
            return refuse("the length of the name", name.len().to_string(), expected);
        }
        if info.shape.len() > MOST_DIMENSIONS {
            let (found, expected) = (info.shape.len().to_string(), "at most 4, as ggml wants it");
            return refuse("the number of dimensions", found, expected.into());
        }
        let Some(number) = types::number(info.dtype) else {
            let expected = format!("one that GGUF has: {}", types::names());
            return refuse("the type", info.dtype.to_string(), expected);
        };
        value::write_text(&mut to, name);
        to.extend((info.shape.len() as u32).to_le_bytes());
        for &length in info.shape.iter().rev() {
            to.extend((length as u64).to_le_bytes());
        }
        to.extend(number.to_le_bytes());
        to.extend(offset.to_le_bytes());
        let end = offset.checked_add(info.bytes()?);
        let Some(next) = end.and_then(|end| end.checked_next_multiple_of(alignment)) else {
            return refuse("the end", "beyond 2⁶⁴".into(), "less".into());
        };
        offset = next;
    }
    to.resize(to.len().next_multiple_of(alignment as usize), 0);
    Ok((to, alignment))
}
