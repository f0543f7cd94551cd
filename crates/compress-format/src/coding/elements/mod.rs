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
mod frame;
mod layout;
pub mod parts;
mod planes;
mod room;
#[cfg(test)]
mod tests;

use compress_core::Result;

pub use frame::MOST_RATIO;
pub use layout::Layout;

use super::reader::Reader;
use frame::{LENGTH, PADDING, TOO_LONG, decode, is_zero, length_of_chunk, read_head};

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
