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
//! | chunks | so many elements as fit into 2¹⁸ bytes in each, fewer in the last: the length, 3 bytes, and so many bytes; `chunk` describes them |
//! | padding | zeros, until the elements are at most 256 times as long |
//!
//! The padding bounds what a reader allocates. Chunks stand for themselves, so that they are written
//! and read a few at a time: [`parts`].
//!
//! # References
//! - M. Hershcovitch et al. (2025), "ZipNN: Lossless Compression for AI Models", whose planes these
//!   are.

mod chunk;
mod distinct;
mod layout;
pub mod parts;
mod planes;
mod room;
#[cfg(test)]
mod tests;

use compress_core::{Error, Result};
use rayon::prelude::*;

pub use layout::Layout;

use super::reader::Reader;
use super::varint;
use room::Room;

/// The most bytes of elements for each byte that they are coded in.
pub const MOST_RATIO: usize = crate::limits::VALUES_PER_BYTE;

/// The bytes of the length of a chunk.
const LENGTH: usize = 3;
/// The most bytes of a chunk: as many elements as it holds, and what says that they are as they are.
const MOST_OF_CHUNK: usize = layout::CHUNK + 2 * layout::LARGEST;

/// Appends elements.
///
/// # Errors
/// Where the bytes are no whole elements.
pub fn write(to: &mut Vec<u8>, layout: &Layout, bytes: &[u8]) -> Result<()> {
    to.reserve(bytes.len());
    parts::write(layout, bytes, usize::MAX, false, |part| {
        to.extend_from_slice(part.coded);
        Ok(())
    })
}

/// Reads what [`write()`] wrote, up to the end of the bytes.
///
/// Never panics, and allocates at most [`MOST_RATIO`] times the bytes, and some megabytes for each
/// thread.
///
/// # Errors
/// Where the bytes are not those of elements.
pub fn read(reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let (layout, elements) = read_head(reader, reader.remaining())?;
    let (length, chunk_bytes) = (elements * layout.size(), layout.chunk_bytes());
    let mut chunks = Vec::new();
    for _ in 0..length.div_ceil(chunk_bytes) {
        let start = reader.clone();
        let [a, b, c] = [(); LENGTH].map(|()| reader.byte("the length of a chunk"));
        let length = length_of_chunk([a?, b?, c?]);
        let length = length.ok_or_else(|| start.error(TOO_LONG))?;
        chunks.push((reader.offset(), reader.take(length, "a chunk")?));
    }
    let padding = reader.clone();
    if !is_zero(reader.take(reader.remaining(), "padding")?) {
        return Err(padding.error(PADDING));
    }
    let mut bytes = Vec::with_capacity(length);
    // Zeros just before they are overwritten, while they are near.
    for batch in chunks.chunks(parts::batch(usize::MAX)) {
        let start = bytes.len();
        bytes.resize(length.min(start + batch.len() * chunk_bytes), 0);
        decode(&layout, batch, &mut bytes[start..])?;
    }
    Ok(bytes)
}

/// What is said of a chunk that is too long.
const TOO_LONG: &str = "a chunk is longer than its elements";
/// What is said of other padding than zeros.
const PADDING: &str = "what follows the last chunk are not zeros";

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// The layout, and the number of elements, which `length` bytes may claim.
fn read_head(reader: &mut Reader<'_>, length: usize) -> Result<(Layout, usize)> {
    let most = length.saturating_mul(MOST_RATIO);
    let layout = Layout::read(reader)?;
    let count = reader.varint(most / layout.size(), "the number of elements")?;
    Ok((layout, count))
}

fn write_head(to: &mut Vec<u8>, layout: &Layout, elements: usize) {
    layout.write(to);
    varint::write(to, elements as u64);
}

/// The length of a chunk, if it may be so long.
fn length_of_chunk([a, b, c]: [u8; LENGTH]) -> Option<usize> {
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    (length <= MOST_OF_CHUNK).then_some(length)
}

/// Decodes chunks, each with its place in the file, to consecutive elements.
fn decode(layout: &Layout, chunks: &[(usize, &[u8])], to: &mut [u8]) -> Result<()> {
    let parts = to.par_chunks_mut(layout.chunk_bytes()).zip(chunks);
    parts.try_for_each_init(Room::default, |room, (to, (start, coded))| {
        let read = chunk::read(layout, coded, to, room);
        read.map_err(|fault| match fault {
            Error::Format { offset, reason } => Error::Format {
                offset: offset.saturating_add(*start),
                reason,
            },
            other => other,
        })
    })
}
