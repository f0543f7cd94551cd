//! Tensors as files of other formats have them: a label of the type, and bytes.

use std::io::{Read, Seek, SeekFrom};

use compress_core::{Error, Result};

use super::entry::{CHANGED, Entry, read_text, write_text};
use crate::coding::elements;
use crate::coding::elements::parts::{MOST_OF_HEAD, Parts};
use crate::coding::reader::Reader;
use crate::tensors::content::ELEMENTS;

/// The most bytes of a label.
const MOST_OF_LABEL: usize = 4096;

/// A tensor as another format has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elements {
    /// The type of its elements, as whoever wrote it calls that.
    pub label: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A tensor as another format has it, which is read part by part with
/// [`Container::next_part`](super::Container::next_part).
#[derive(Debug)]
pub struct ElementParts {
    entry: Entry,
    label: String,
    parts: Parts,
}

/// The bytes of a label.
pub(super) fn label_bytes(label: &str) -> Result<Vec<u8>> {
    if label.len() > MOST_OF_LABEL {
        let expected = format!("at most {MOST_OF_LABEL}");
        return Err(Error::invalid(
            "the bytes of a label",
            label.len(),
            expected,
        ));
    }
    let mut to = Vec::new();
    write_text(&mut to, label);
    Ok(to)
}

/// Reads a label and what follows it.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Elements> {
    let label = read_label(reader)?;
    let bytes = elements::read(reader)?;
    Ok(Elements { label, bytes })
}

fn read_label(reader: &mut Reader<'_>) -> Result<String> {
    let start = reader.clone();
    let label = read_text(reader, "the type of elements")?;
    match label.len() <= MOST_OF_LABEL {
        true => Ok(label),
        false => Err(start.error("the type of elements is a long text")),
    }
}

/// Fails where an entry is one of other things.
pub(super) fn check_kind(entry: &Entry) -> Result<()> {
    match (entry.kind, entry.coding) {
        (ELEMENTS, 0) => Ok(()),
        _ => Err(Reader::new(&[], 0).error(format!("{} are no elements", entry.kind()))),
    }
}

impl ElementParts {
    /// Reads what stands before the elements.
    pub(super) fn open(from: &mut (impl Read + Seek), entry: &Entry) -> Result<Self> {
        check_kind(entry)?;
        from.seek(SeekFrom::Start(entry.offset))
            .map_err(Error::other)?;
        let most = (8 + MOST_OF_LABEL + MOST_OF_HEAD) as u64;
        let mut head = Vec::new();
        let read = from.take(entry.length.min(most)).read_to_end(&mut head);
        read.map_err(Error::other)?;
        let mut reader = Reader::new(&head, 0);
        let label = read_label(&mut reader)?;
        let length = usize::try_from(entry.length).map_err(Error::other)?;
        Ok(ElementParts {
            entry: entry.clone(),
            label,
            parts: Parts::new(&head, reader.offset(), length)?,
        })
    }

    /// The tensor's entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The type of its elements, as whoever wrote it calls that.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How many bytes of it have not been read.
    pub fn left(&self) -> u64 {
        self.parts.left()
    }

    /// Reads the next bytes.
    pub(super) fn next(
        &mut self,
        from: &mut (impl Read + Seek),
        memory: usize,
    ) -> Result<Option<&[u8]>> {
        let at = self.entry.offset + self.parts.at();
        from.seek(SeekFrom::Start(at)).map_err(Error::other)?;
        if self.parts.left() > 0 {
            return self.parts.next(from, memory).map(Some);
        }
        self.parts.finish(from)?;
        match self.parts.checksum() == self.entry.checksum {
            true => Ok(None),
            false => Err(Reader::new(&[], 0).error(CHANGED)),
        }
    }
}
