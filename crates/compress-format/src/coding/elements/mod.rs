//! Arrays of numbers as they lie in files of others, without loss: each byte of an element by itself.
//!
//! Elements of one type are alike in some of their bytes: exponents of weights take few values,
//! mantissas nearly all. So the first bytes of all elements are coded together, then the second ones,
//! each such *plane* by a Huffman code where that makes it shorter.
//!
//! | part | what |
//! | --- | --- |
//! | layout | 1 byte, 1 where signs are moved, else 0; the number of runs and the bytes of each: varints |
//! | elements | how many, a varint |
//! | lengths | of each chunk, a varint |
//! | chunks | so many elements as fit into 2¹⁸ bytes in each, fewer in the last; `chunk` describes one |
//! | padding | zeros, until the elements are at most 256 times as long |
//!
//! The padding bounds what a reader allocates.
//!
//! # References
//! - M. Hershcovitch et al. (2025), "ZipNN: Lossless Compression for AI Models", whose planes these
//!   are.

mod chunk;
mod distinct;
mod layout;
mod planes;
#[cfg(test)]
mod tests;

use compress_core::{Error, Result};
use rayon::prelude::*;

pub use layout::Layout;

use super::reader::Reader;
use super::varint;

/// The most bytes of elements for each byte that they are coded in.
pub const MOST_RATIO: usize = crate::limits::VALUES_PER_BYTE;

/// Appends elements.
///
/// # Errors
/// Where the bytes are no whole elements.
pub fn write(to: &mut Vec<u8>, layout: &Layout, bytes: &[u8]) -> Result<()> {
    if !bytes.len().is_multiple_of(layout.size()) {
        let expected = format!("a multiple of {}", layout.size());
        return Err(Error::invalid("the number of bytes", bytes.len(), expected));
    }
    let start = to.len();
    layout.write(to);
    varint::write(to, (bytes.len() / layout.size()) as u64);
    let chunks = bytes.par_chunks(layout.chunk_bytes());
    let chunks: Vec<Vec<u8>> = chunks.map(|bytes| chunk::write(layout, bytes)).collect();
    for chunk in &chunks {
        varint::write(to, chunk.len() as u64);
    }
    chunks.iter().for_each(|chunk| to.extend_from_slice(chunk));
    let least = start + bytes.len().div_ceil(MOST_RATIO);
    to.resize(to.len().max(least), 0);
    Ok(())
}

/// Reads what [`write()`] wrote, up to the end of the bytes.
///
/// Never panics, and allocates at most [`MOST_RATIO`] times the bytes, and some megabytes for each
/// thread.
///
/// # Errors
/// Where the bytes are not those of elements.
pub fn read(reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let most = reader.remaining().saturating_mul(MOST_RATIO);
    let layout = Layout::read(reader)?;
    let count = reader.varint(most / layout.size(), "the number of elements")?;
    let mut bytes = vec![0; count * layout.size()];
    let mut lengths = Vec::new();
    for _ in 0..bytes.len().div_ceil(layout.chunk_bytes()) {
        lengths.push(reader.varint(reader.remaining(), "the length of a chunk")?);
    }
    let mut chunks = Vec::with_capacity(lengths.len());
    for length in lengths {
        let start = reader.clone();
        chunks.push((start, reader.take(length, "a chunk")?));
    }
    let padding = reader.clone();
    if reader
        .take(reader.remaining(), "padding")?
        .iter()
        .any(|&byte| byte != 0)
    {
        return Err(padding.error("what follows the last chunk are not zeros"));
    }
    let parts = bytes.par_chunks_mut(layout.chunk_bytes());
    let chunks = parts.zip(chunks);
    chunks.try_for_each_init(Vec::new, |room, (to, (start, coded))| {
        let read = chunk::read(&layout, coded, to, room);
        read.map_err(|fault| match fault {
            Error::Format { offset, reason } => Error::Format {
                offset: offset.saturating_add(start.offset()),
                reason,
            },
            other => other,
        })
    })?;
    Ok(bytes)
}
