//! The ends of a container: its first bytes, and its last ones, which lead to the directory.

use crc32fast::Hasher;

/// `CMP` and the version.
pub(crate) const MAGIC: [u8; 4] = *b"CMP\x03";

/// The length of the directory, and a checksum.
pub(super) const LENGTH: usize = 8;

/// The last bytes of a container with this directory, which is at most 4 GiB long.
pub(super) fn of(directory: &[u8]) -> [u8; LENGTH] {
    let length = (directory.len() as u32).to_le_bytes();
    let checksum = checksum(directory, length).to_le_bytes();
    let mut trailer = [0; LENGTH];
    trailer[..4].copy_from_slice(&length);
    trailer[4..].copy_from_slice(&checksum);
    trailer
}

/// The length of the directory that a trailer states.
pub(super) fn directory_length(trailer: [u8; LENGTH]) -> u64 {
    let [a, b, c, d, ..] = trailer;
    u32::from_le_bytes([a, b, c, d]).into()
}

/// The CRC-32 of the directory, its length and the first bytes of the file.
fn checksum(directory: &[u8], length: [u8; 4]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(directory);
    hasher.update(&length);
    hasher.update(&MAGIC);
    hasher.finalize()
}
