//! The directory of a container: its tensors, its program and its metadata.

use std::collections::HashSet;

use compress_core::Result;

use super::entry::{Entry, read_text, write_text};
use super::program::Program;
use super::trailer::MAGIC;
use crate::coding::reader::Reader;
use crate::coding::varint;

/// All that a container holds beside the tensors' bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Directory {
    pub(super) entries: Vec<Entry>,
    pub(super) program: Program,
    /// Keys, which differ, and values.
    pub(super) metadata: Vec<(String, String)>,
}

impl Directory {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        varint::write(&mut bytes, self.entries.len() as u64);
        for entry in &self.entries {
            entry.write(&mut bytes);
        }
        self.program.write(&mut bytes);
        varint::write(&mut bytes, self.metadata.len() as u64);
        for (key, value) in &self.metadata {
            write_text(&mut bytes, key);
            write_text(&mut bytes, value);
        }
        bytes
    }

    /// Reads a directory whose tensors have `most` values together, and its program as many features
    /// and parameters.
    pub(super) fn read(reader: &mut Reader<'_>, most: usize) -> Result<Self> {
        let entries = read_entries(reader)?;
        let (mut names, mut values) = (HashSet::new(), 0_usize);
        for entry in &entries {
            if !names.insert(entry.name.as_str()) {
                return Err(reader.error(format!("two tensors are named {:?}", entry.name)));
            }
            let claimed = entry.claimed().and_then(|more| values.checked_add(more));
            values = claimed.filter(|&values| values <= most).ok_or_else(|| {
                reader.error(format!(
                    "the tensors up to {:?} have more than {most} values; a larger limit can be \
                     given to the reader",
                    entry.name
                ))
            })?;
        }
        let program = Program::read(reader, most)?;
        let count = reader.varint(reader.remaining(), "the number of metadata")?;
        let mut metadata = Vec::new();
        for _ in 0..count {
            let key = read_text(reader, "a key of the metadata")?;
            metadata.push((key, read_text(reader, "a value of the metadata")?));
        }
        let mut keys = HashSet::new();
        if let Some((key, _)) = metadata.iter().find(|(key, _)| !keys.insert(key.as_str())) {
            return Err(reader.error(format!("two metadata have the key {key:?}")));
        }
        match reader.remaining() {
            0 => Ok(Directory {
                entries,
                program,
                metadata,
            }),
            more => Err(reader.error(format!("{more} bytes follow the metadata"))),
        }
    }
}

/// Reads the entries. Their bytes follow each other from the beginning of the file.
pub(super) fn read_entries(reader: &mut Reader<'_>) -> Result<Vec<Entry>> {
    let count = reader.varint(reader.remaining(), "the number of tensors")?;
    let mut entries = Vec::new();
    let mut offset = MAGIC.len() as u64;
    for _ in 0..count {
        let entry = Entry::read(reader, offset)?;
        offset = offset
            .checked_add(entry.length)
            .ok_or_else(|| reader.error("tensors that are longer than any file"))?;
        entries.push(entry);
    }
    Ok(entries)
}
