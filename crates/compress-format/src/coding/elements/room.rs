//! Memory that chunk after chunk uses.

/// Buffers that grow to what a chunk needs, and stay.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Planes that are read, or a sample of one that is written.
    pub(super) planes: Vec<u8>,
    /// Streams of codes.
    pub(super) streams: Vec<u8>,
    /// Another form of a chunk, to be compared with the first.
    pub(super) other: Vec<u8>,
}

/// The first `length` bytes of a buffer, which grows where it must.
pub(super) fn grown(buffer: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    &mut buffer[..length]
}
