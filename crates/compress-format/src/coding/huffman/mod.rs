//! Canonical Huffman codes of bytes, for what must be read at the speed of memory: several streams
//! side by side, and a table that gives several bytes at once.
//!
//! | part | what |
//! | --- | --- |
//! | lengths | the length of each byte's code, at most 11 bits, in nibbles |
//! | streams | the length of each of the streams, a varint each |
//! | | the streams, each with its part of the bytes |
//!
//! Codes are numbered by length, then by byte, and written highest bit first. A last byte that is not
//! full ends with zeros. Up to 1023 bytes are one stream, more are four parts of equal length, the last
//! of which may be shorter.
//!
//! # References
//! - D. A. Huffman (1952), "A method for the construction of minimum-redundancy codes".
//! - L. L. Larmore and D. S. Hirschberg (1990), "A fast algorithm for optimal length-limited Huffman
//!   codes": package-merge.
//! - J. Duda, Y. Collet and others: Huff0 of zstd (RFC 8878, section 4.2) has four streams, too.

mod decode;
mod encode;
mod lengths;
mod parts;
mod table;
#[cfg(test)]
mod tests;

use compress_core::Result;

use super::reader::Reader;
use super::varint;
use lengths::Lengths;
pub use parts::{Counts, LONGEST};
use parts::{STREAMS, part_count};

/// Counts bytes.
///
/// # Panics
/// Never; of 2³² equal bytes and more, the count wraps.
pub fn count(bytes: &[u8]) -> Counts {
    // Four tables, so that equal bytes that follow each other do not wait for each other.
    let mut counts = [[0_u32; 256]; 4];
    let (fours, rest) = bytes.as_chunks::<4>();
    for four in fours {
        for (counts, &byte) in counts.iter_mut().zip(four) {
            let count = &mut counts[usize::from(byte)];
            *count = count.wrapping_add(1);
        }
    }
    for &byte in rest {
        let count = &mut counts[0][usize::from(byte)];
        *count = count.wrapping_add(1);
    }
    let [mut sum, others @ ..] = counts;
    for (i, sum) in sum.iter_mut().enumerate() {
        *sum = others.iter().fold(*sum, |sum, c| sum.wrapping_add(c[i]));
    }
    sum
}

/// Replaces the bytes of `to` from `start` on, of which at least two differ, if that makes them at
/// most `most`. `counts` is how often each occurs; `room` is memory that may be used again.
///
/// Nothing changes otherwise; returns whether something did.
pub fn replace(
    to: &mut Vec<u8>,
    start: usize,
    counts: &Counts,
    most: usize,
    room: &mut Vec<u8>,
) -> bool {
    let bytes = to.get(start..).unwrap_or_default();
    let Some(lengths) = Lengths::of(counts).filter(|_| !bytes.is_empty()) else {
        return false;
    };
    let bits: u64 = (0..256)
        .map(|i| u64::from(counts[i]) * u64::from(lengths.of_byte(i)))
        .sum();
    if bits / 8 >= most as u64 {
        return false;
    }
    let sizes = encode::streams(bytes, &lengths, room);
    let sizes = &sizes[..part_count(bytes.len())];
    let mut head = Vec::with_capacity(256);
    lengths.write(&mut head);
    for &size in sizes {
        varint::write(&mut head, size as u64);
    }
    let streams = &room[..sizes.iter().sum()];
    let is_short = head.len() + streams.len() <= most;
    if is_short {
        to.truncate(start);
        to.extend_from_slice(&head);
        to.extend_from_slice(streams);
    }
    is_short
}

/// Reads what [`replace()`] put there, of so many bytes as `to` has.
///
/// # Errors
/// Where the lengths are those of no complete code, or a stream does not hold its bytes exactly.
pub fn read(reader: &mut Reader<'_>, to: &mut [u8]) -> Result<()> {
    let lengths = Lengths::read(reader)?;
    let count = part_count(to.len());
    let mut sizes = [0; STREAMS];
    for size in &mut sizes[..count] {
        *size = reader.varint(reader.remaining(), "the length of a stream of codes")?;
    }
    let start = reader.clone();
    let streams = reader.take(sizes.iter().sum(), "streams of codes")?;
    let fault = || start.error("a stream of codes does not end where its bytes do");
    decode::streams(streams, &sizes, &lengths, to).ok_or_else(fault)
}
