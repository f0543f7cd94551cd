//! Elements a few chunks at a time, so that little memory is taken of large arrays. While some are
//! written or read, the next or the last ones are coded on the threads of the pool.

use std::io::Read;
use std::ops::Range;

use compress_core::{Error, Result};
use rayon::prelude::*;

use super::chunk;
use super::frame::{
    LENGTH, MOST_RATIO, PADDING, TOO_LONG, decode, is_zero, length_of_chunk, read_head, write_head,
};
use super::layout::Layout;
use super::room::Room;
use crate::coding::reader::Reader;

/// About the memory that a chunk in work takes: its elements, coded, and both of them once more.
const IN_WORK: usize = 1 << 20;
/// Chunks of a batch for each thread, at most: so that none waits long for the others.
const CHUNKS: usize = 4;
/// The most bytes before the first chunk.
pub(crate) const MOST_OF_HEAD: usize = 16 + 4 * super::layout::LARGEST;

/// Batches that there are at a time: one in work, and one that is written or read.
const BATCHES: usize = 2;

/// How many chunks are worked on at a time.
pub(super) fn batch(memory: usize) -> usize {
    let most = CHUNKS * rayon::current_num_threads();
    (memory / IN_WORK / BATCHES).clamp(1, most)
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
    let slots = || (0..count).map(|_| Slot::default()).collect::<Vec<_>>();
    let (mut slots, mut free) = (slots(), slots());
    let fill = |slots: &mut [Slot], batch: &[u8]| -> Result<()> {
        let filled = slots.par_iter_mut().zip(batch.par_chunks(chunk_bytes));
        filled.try_for_each_init(Room::default, |room, (slot, chunk)| {
            slot.fill(layout, chunk, checksums, room)
        })
    };
    let mut batches = bytes.chunks((count * chunk_bytes).max(1));
    let mut batch = batches.next();
    batch.map_or(Ok(()), |batch| fill(&mut slots, batch))?;
    while let Some(now) = batch {
        batch = batches.next();
        let mut filled = Ok(());
        rayon::in_place_scope(|scope| {
            if let Some(next) = batch {
                scope.spawn(|_| filled = fill(&mut free, next));
            }
            for (slot, chunk) in slots.iter().zip(now.chunks(chunk_bytes)) {
                put(Part {
                    coded: &slot.coded,
                    checksum: slot.checksum,
                    range: at..at + chunk.len(),
                    plain_checksum: slot.plain_checksum,
                })?;
                at += chunk.len();
                written += slot.coded.len();
            }
            Ok(())
        })
        .and(filled)?;
        std::mem::swap(&mut slots, &mut free);
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
    fn fill(
        &mut self,
        layout: &Layout,
        bytes: &[u8],
        checksums: bool,
        room: &mut Room,
    ) -> Result<()> {
        let coded = &mut self.coded;
        coded.clear();
        coded.extend([0; LENGTH]);
        chunk::write(coded, layout, bytes, room)?;
        let length = ((coded.len() - LENGTH) as u32).to_le_bytes();
        coded[..LENGTH].copy_from_slice(&length[..LENGTH]);
        if checksums {
            self.checksum = crc32fast::hash(&self.coded);
            self.plain_checksum = crc32fast::hash(bytes);
        }
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
    /// The bytes of elements that have not been handed out, and those that have not been read.
    left: usize,
    unread: usize,
    /// Where reading goes on, of `length` bytes.
    at: usize,
    length: usize,
    /// CRC-32 of all bytes up to there.
    hasher: crc32fast::Hasher,
    /// What is decoded next, and the memory of what is read meanwhile.
    next: Coded,
    free: Coded,
    plain: Vec<u8>,
}

/// Chunks that have been read.
#[derive(Debug, Default)]
struct Coded {
    bytes: Vec<u8>,
    /// Where each begins in the file, and in `bytes`.
    chunks: Vec<(usize, Range<usize>)>,
    /// The bytes of elements that they stand for.
    plain: usize,
}

impl Coded {
    fn decode(&self, layout: &Layout, plain: &mut [u8]) -> Result<()> {
        let chunks = self.chunks.iter();
        let chunks: Vec<(usize, &[u8])> = chunks
            .map(|(start, place)| (*start, &self.bytes[place.clone()]))
            .collect();
        decode(layout, &chunks, plain)
    }
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
            unread: elements * layout.size(),
            layout,
            at: reader.offset(),
            length,
            hasher,
            next: Coded::default(),
            free: Coded::default(),
            plain: Vec::new(),
        })
    }

    /// How many bytes of elements have not been handed out.
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
    /// Where the bytes are not those of elements, or reading fails, here or a little further on.
    pub(crate) fn next(&mut self, from: &mut impl Read, memory: usize) -> Result<&[u8]> {
        if self.next.plain == 0 {
            self.load(from, memory)?;
            std::mem::swap(&mut self.next, &mut self.free);
        }
        let next = std::mem::take(&mut self.next);
        let (layout, mut plain) = (self.layout.clone(), std::mem::take(&mut self.plain));
        plain.resize(next.plain, 0);
        let mut decoded = Ok(());
        let read = rayon::in_place_scope(|scope| {
            scope.spawn(|_| decoded = next.decode(&layout, &mut plain));
            self.load(from, memory)
        });
        decoded.and(read)?;
        self.left -= next.plain;
        self.plain = plain;
        self.next = std::mem::replace(&mut self.free, next);
        Ok(&self.plain)
    }

    /// Reads some chunks into `free`; none where none are left.
    fn load(&mut self, from: &mut impl Read, memory: usize) -> Result<()> {
        let chunk_bytes = self.layout.chunk_bytes();
        let count = batch(memory).min(self.unread.div_ceil(chunk_bytes));
        self.free.bytes.clear();
        self.free.chunks.clear();
        for _ in 0..count {
            let length = self.take(from, LENGTH)?;
            let [a, b, c] = [0, 1, 2].map(|i| self.free.bytes[length.start + i]);
            let length = length_of_chunk([a, b, c]);
            let length = length.ok_or_else(|| self.error(TOO_LONG))?;
            let start = self.at;
            let place = self.take(from, length)?;
            self.free.chunks.push((start, place));
        }
        self.hasher.update(&self.free.bytes);
        self.free.plain = self.unread.min(count * chunk_bytes);
        self.unread -= self.free.plain;
        Ok(())
    }

    /// Reads `count` more bytes, which must be there; returns where they are in `free`.
    fn take(&mut self, from: &mut impl Read, count: usize) -> Result<Range<usize>> {
        if count > self.length - self.at {
            return Err(self.error("the elements end too early"));
        }
        let coded = &mut self.free.bytes;
        let start = coded.len();
        coded.resize(start + count, 0);
        let read = from.read_exact(&mut coded[start..]);
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
            self.free.bytes.clear();
            let now = (self.length - self.at).min(CHUNK_OF_PADDING);
            self.take(from, now)?;
            if !is_zero(&self.free.bytes) {
                return Err(self.error(PADDING));
            }
            self.hasher.update(&self.free.bytes);
        }
        Ok(())
    }

    fn error(&self, reason: &str) -> Error {
        Reader::new(&[], self.at).error(reason)
    }
}
