//! Elements a few chunks at a time, so that little memory is taken of large arrays.

use std::io::Read;
use std::ops::Range;

use compress_core::{Error, Result};
use rayon::prelude::*;

use super::layout::Layout;
use super::room::Room;
use super::{
    LENGTH, MOST_RATIO, PADDING, TOO_LONG, chunk, decode, is_zero, length_of_chunk, read_head,
    write_head,
};
use crate::coding::reader::Reader;

/// About the memory that a chunk in work takes: its elements, coded, and both of them once more.
const IN_WORK: usize = 1 << 20;
/// Chunks of a batch for each thread, at most: so that none waits long for the others.
const CHUNKS: usize = 4;
/// The most bytes before the first chunk.
pub(crate) const MOST_OF_HEAD: usize = 16 + 4 * super::layout::LARGEST;

/// How many chunks are worked on at a time.
pub(super) fn batch(memory: usize) -> usize {
    let most = CHUNKS * rayon::current_num_threads();
    (memory / IN_WORK).clamp(1, most)
}

/// Some bytes of what is written.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The bytes.
    pub coded: &'a [u8],
    /// CRC-32 of them.
    pub checksum: u32,
    /// The bytes of elements that they stand for. Nobody reads those any more.
    pub range: Range<usize>,
    /// CRC-32 of these.
    pub plain_checksum: u32,
}

/// A chunk in work, whose memory the next one uses.
#[derive(Default)]
struct Slot {
    coded: Vec<u8>,
    checksum: u32,
    plain_checksum: u32,
}

/// Writes elements: gives part after part to `put`. What they are depends neither on threads nor on
/// `memory`, which is about how many bytes are taken for chunks in work; one chunk is at least.
/// Without `checksums` those of the parts are 0.
///
/// # Errors
/// Where the bytes are no whole elements; those of `put`.
pub fn write(
    layout: &Layout,
    bytes: &[u8],
    memory: usize,
    checksums: bool,
    mut put: impl FnMut(Part<'_>) -> Result<()>,
) -> Result<()> {
    layout.check(bytes)?;
    let mut head = Vec::new();
    write_head(&mut head, layout, bytes.len() / layout.size());
    let mut written = head.len();
    put(Part::of_none(&head))?;
    let mut at = 0;
    let chunk_bytes = layout.chunk_bytes();
    let count = batch(memory).min(bytes.len().div_ceil(chunk_bytes));
    let mut slots: Vec<Slot> = (0..count).map(|_| Slot::default()).collect();
    for batch in bytes.chunks((count * chunk_bytes).max(1)) {
        let chunks = batch.par_chunks(chunk_bytes);
        let filled = slots.par_iter_mut().zip(chunks);
        filled.try_for_each_init(Room::default, |room, (slot, chunk)| -> Result<()> {
            slot.fill(layout, chunk, room)?;
            if checksums {
                slot.checksum = crc32fast::hash(&slot.coded);
                slot.plain_checksum = crc32fast::hash(chunk);
            }
            Ok(())
        })?;
        for (slot, chunk) in slots.iter().zip(batch.chunks(chunk_bytes)) {
            put(Part {
                coded: &slot.coded,
                checksum: slot.checksum,
                range: at..at + chunk.len(),
                plain_checksum: slot.plain_checksum,
            })?;
            at += chunk.len();
            written += slot.coded.len();
        }
    }
    let zeros = vec![0; CHUNK_OF_PADDING];
    let mut padding = bytes.len().div_ceil(MOST_RATIO).saturating_sub(written);
    while padding > 0 {
        let now = padding.min(zeros.len());
        put(Part::of_none(&zeros[..now]))?;
        padding -= now;
    }
    Ok(())
}

/// Bytes of padding that are written or read at a time.
const CHUNK_OF_PADDING: usize = 1 << 12;

impl Slot {
    fn fill(&mut self, layout: &Layout, bytes: &[u8], room: &mut Room) -> Result<()> {
        let coded = &mut self.coded;
        coded.clear();
        coded.extend([0; LENGTH]);
        chunk::write(coded, layout, bytes, room)?;
        let length = ((coded.len() - LENGTH) as u32).to_le_bytes();
        coded[..LENGTH].copy_from_slice(&length[..LENGTH]);
        Ok(())
    }
}

impl<'a> Part<'a> {
    /// What stands for no elements.
    fn of_none(coded: &'a [u8]) -> Self {
        Part {
            coded,
            checksum: crc32fast::hash(coded),
            range: 0..0,
            plain_checksum: 0,
        }
    }
}

/// Reads elements, some at a time.
#[derive(Debug)]
pub(crate) struct Parts {
    layout: Layout,
    /// The bytes of elements that are left.
    left: usize,
    /// Where the next chunk begins, of `length` bytes.
    at: usize,
    length: usize,
    /// CRC-32 of all bytes up to there.
    hasher: crc32fast::Hasher,
    coded: Vec<u8>,
    plain: Vec<u8>,
}

impl Parts {
    /// Reads what stands before the first chunk of `length` bytes in all: `head` has so many of them,
    /// or [`MOST_OF_HEAD`] behind `before`, which is how many are of no account here.
    ///
    /// # Errors
    /// Where the bytes are not those of elements, or claim too many.
    pub(crate) fn new(head: &[u8], before: usize, length: usize) -> Result<Self> {
        let mut reader = Reader::new(head, before);
        let (layout, elements) = read_head(&mut reader, length.saturating_sub(before))?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&head[..reader.offset()]);
        Ok(Parts {
            left: elements * layout.size(),
            layout,
            at: reader.offset(),
            length,
            hasher,
            coded: Vec::new(),
            plain: Vec::new(),
        })
    }

    /// How many bytes of elements have not been read.
    pub(crate) fn left(&self) -> u64 {
        self.left as u64
    }

    /// Where reading goes on.
    pub(crate) fn at(&self) -> u64 {
        self.at as u64
    }

    /// CRC-32 of all bytes that were read.
    pub(crate) fn checksum(&self) -> u32 {
        self.hasher.clone().finalize()
    }

    /// The next bytes of elements, as long as some are left. `from` stands at [`Parts::at`], and
    /// `memory` is about how many bytes are taken.
    ///
    /// # Errors
    /// Where the bytes are not those of elements, or reading fails.
    pub(crate) fn next(&mut self, from: &mut impl Read, memory: usize) -> Result<&[u8]> {
        let chunk_bytes = self.layout.chunk_bytes();
        let count = batch(memory).min(self.left.div_ceil(chunk_bytes));
        let mut places: Vec<(usize, Range<usize>)> = Vec::with_capacity(count);
        self.coded.clear();
        for _ in 0..count {
            let length = self.take(from, LENGTH)?;
            let [a, b, c] = [0, 1, 2].map(|i| self.coded[length.start + i]);
            let length = length_of_chunk([a, b, c]);
            let length = length.ok_or_else(|| self.error(TOO_LONG))?;
            let start = self.at;
            places.push((start, self.take(from, length)?));
        }
        self.hasher.update(&self.coded);
        let bytes = self.left.min(count * chunk_bytes);
        let chunks = places.into_iter();
        let chunks: Vec<(usize, &[u8])> = chunks
            .map(|(start, place)| (start, &self.coded[place]))
            .collect();
        self.plain.resize(bytes, 0);
        decode(&self.layout, &chunks, &mut self.plain)?;
        self.left -= bytes;
        Ok(&self.plain)
    }

    /// Reads `count` more bytes, which must be there; returns where they are.
    fn take(&mut self, from: &mut impl Read, count: usize) -> Result<Range<usize>> {
        if count > self.length - self.at {
            return Err(self.error("the elements end too early"));
        }
        let start = self.coded.len();
        self.coded.resize(start + count, 0);
        let read = from.read_exact(&mut self.coded[start..]);
        read.map_err(Error::other)?;
        self.at += count;
        Ok(start..start + count)
    }

    /// Reads the padding behind the elements. `from` stands at [`Parts::at`].
    ///
    /// # Errors
    /// Where it is not zeros, or reading fails.
    pub(crate) fn finish(&mut self, from: &mut impl Read) -> Result<()> {
        while self.at < self.length {
            self.coded.clear();
            let now = (self.length - self.at).min(CHUNK_OF_PADDING);
            self.take(from, now)?;
            if !is_zero(&self.coded) {
                return Err(self.error(PADDING));
            }
            self.hasher.update(&self.coded);
        }
        Ok(())
    }

    fn error(&self, reason: &str) -> Error {
        Reader::new(&[], self.at).error(reason)
    }
}
