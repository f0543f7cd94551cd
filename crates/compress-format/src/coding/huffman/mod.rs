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

/// Appends `bytes`, of which at least two differ, if that takes fewer bytes than they are. `counts`
/// is how often each occurs.
///
/// Nothing is appended otherwise; returns whether something was.
pub fn write(to: &mut Vec<u8>, bytes: &[u8], counts: &Counts) -> bool {
    let Some(lengths) = Lengths::of(counts) else {
        return false;
    };
    let bits: u64 = (0..256)
        .map(|i| u64::from(counts[i]) * u64::from(lengths.of_byte(i)))
        .sum();
    if bits / 8 >= bytes.len() as u64 {
        return false;
    }
    let start = to.len();
    lengths.write(to);
    let (streams, sizes) = encode::streams(bytes, &lengths);
    for size in sizes {
        varint::write(to, size as u64);
    }
    to.extend(streams);
    let is_shorter = to.len() - start < bytes.len();
    if !is_shorter {
        to.truncate(start);
    }
    is_shorter
}

/// Reads what [`write()`] wrote of so many bytes as `to` has.
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
