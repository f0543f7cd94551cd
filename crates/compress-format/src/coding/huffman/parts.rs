//! The limits of codes, and how bytes are divided among streams.

/// The longest code, in bits.
pub const LONGEST: u32 = 11;

/// Streams of many bytes.
pub(super) const STREAMS: usize = 4;

/// So many bytes and more are several streams.
const MANY: usize = 1024;

/// How often each byte occurs.
pub type Counts = [u32; 256];

/// How many parts so many bytes have.
pub(super) fn part_count(bytes: usize) -> usize {
    if bytes < MANY { 1 } else { STREAMS }
}

/// How many bytes a part has, but for the last.
pub(super) fn part_length(bytes: usize) -> usize {
    bytes.div_ceil(part_count(bytes))
}
