//! Right checksums for changed bytes, for tests and fuzzers.

use super::directory::read_entries;
use super::trailer;
use crate::coding::reader::Reader;

/// Makes the checksums of tensors and directory right, as far as the bytes can be read.
pub(crate) fn repair_checksums(bytes: &mut [u8]) {
    let Some(end) = bytes.len().checked_sub(trailer::LENGTH) else {
        return;
    };
    let mut last = [0; trailer::LENGTH];
    last.copy_from_slice(&bytes[end..]);
    let length = usize::try_from(trailer::directory_length(last)).unwrap_or(usize::MAX);
    let Some(start) = end.checked_sub(length) else {
        return;
    };
    let (tensors, rest) = bytes.split_at_mut(start);
    let directory = &mut rest[..length];
    let mut reader = Reader::new(directory, 0);
    let entries = read_entries(&mut reader).unwrap_or_default();
    // An entry ends with its checksum, and its length follows from what it holds.
    let mut at = count_bytes(entries.len());
    for entry in entries {
        let mut line = Vec::new();
        entry.write(&mut line);
        at += line.len();
        let (from, to) = (
            entry.offset as usize,
            (entry.offset + entry.length) as usize,
        );
        let content = tensors.get(from..to);
        let place = at
            .checked_sub(4)
            .and_then(|from| directory.get_mut(from..at));
        if let (Some(content), Some(place)) = (content, place) {
            place.copy_from_slice(&crc32fast::hash(content).to_le_bytes());
        }
    }
    let trailer = trailer::of(directory);
    bytes[end..].copy_from_slice(&trailer);
}

/// The bytes of the number of entries.
fn count_bytes(count: usize) -> usize {
    let mut bytes = Vec::new();
    crate::coding::varint::write(&mut bytes, count as u64);
    bytes.len()
}
