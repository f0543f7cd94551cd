//! What stands around chunks: the head before them, the length of each, padding behind them.

use compress_core::{Error, Result};
use rayon::prelude::*;

use super::chunk;
use super::layout::{self, Layout};
use super::room::Room;
use crate::coding::reader::Reader;
use crate::coding::varint;

/// The most bytes of elements for each byte that they are coded in.
pub const MOST_RATIO: usize = crate::limits::VALUES_PER_BYTE;

/// The bytes of the length of a chunk.
pub(super) const LENGTH: usize = 3;
/// The most bytes of a chunk: as many elements as it holds, and what says that they are as they are.
const MOST_OF_CHUNK: usize = layout::CHUNK + 2 * layout::LARGEST;

/// What is said of a chunk that is too long.
pub(super) const TOO_LONG: &str = "a chunk is longer than its elements";
/// What is said of other padding than zeros.
pub(super) const PADDING: &str = "what follows the last chunk are not zeros";

pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// The layout, and the number of elements, which `length` bytes may claim.
pub(super) fn read_head(reader: &mut Reader<'_>, length: usize) -> Result<(Layout, usize)> {
    let most = length.saturating_mul(MOST_RATIO);
    let layout = Layout::read(reader)?;
    let count = reader.varint(most / layout.size(), "the number of elements")?;
    Ok((layout, count))
}

pub(super) fn write_head(to: &mut Vec<u8>, layout: &Layout, elements: usize) {
    layout.write(to);
    varint::write(to, elements as u64);
}

/// The length of a chunk, if it may be so long.
pub(super) fn length_of_chunk([a, b, c]: [u8; LENGTH]) -> Option<usize> {
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    (length <= MOST_OF_CHUNK).then_some(length)
}

/// Decodes chunks, each with its place in the file, to consecutive elements.
pub(super) fn decode(layout: &Layout, chunks: &[(usize, &[u8])], to: &mut [u8]) -> Result<()> {
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
