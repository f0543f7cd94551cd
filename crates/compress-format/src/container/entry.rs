//! What a directory says of one tensor.

use crate::coding::reader::Reader;
use crate::coding::varint;
use crate::tensors::Coding;
use crate::tensors::content::{BLOCKS, ELEMENTS, FLOAT, PLANES};
use crate::tensors::grid::{CODEBOOK, LINEAR, POWER_OF_TWO, SCALED_CODEBOOK};
use compress_core::Result;

/// What is said of bytes that were changed.
pub(super) const CHANGED: &str = "the checksum is not that of the content: the file is damaged";

/// A line of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The tensor's name.
    pub name: String,
    /// Its shape; none of the dimensions for a single number.
    pub shape: Vec<usize>,
    /// Where its bytes begin in the file.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    pub(super) kind: u8,
    pub(super) coding: u8,
    /// CRC-32 of its bytes.
    pub(super) checksum: u32,
}

impl Entry {
    /// What the tensor's numbers are: `float`, `linear`, `codebook`, `scaled_codebook`,
    /// `power_of_two` or `blocks`, or `elements` of another format; `unknown` of files by later
    /// writers.
    pub fn kind(&self) -> &'static str {
        match self.kind {
            FLOAT => "float",
            LINEAR => "linear",
            CODEBOOK => "codebook",
            SCALED_CODEBOOK => "scaled_codebook",
            POWER_OF_TWO => "power_of_two",
            BLOCKS => "blocks",
            ELEMENTS => "elements",
            _ => "unknown",
        }
    }

    /// How they are stored: `dense`, `packed`, `sparse` or `entropy`, or `planes` of elements;
    /// `unknown` of files by later writers.
    pub fn coding(&self) -> &'static str {
        if self.kind == ELEMENTS && self.coding == 0 {
            return PLANES;
        }
        Coding::of(self.coding).map_or("unknown", Coding::name)
    }

    /// How many values the tensor has, where a dimension of 0 counts as 1; none where that cannot be
    /// counted. Elements claim none: their bytes are limited by those that they are coded in.
    pub(super) fn claimed(&self) -> Option<usize> {
        if self.kind == ELEMENTS {
            return Some(0);
        }
        let mut dimensions = self.shape.iter();
        dimensions.try_fold(1_usize, |volume, &side| volume.checked_mul(side.max(1)))
    }

    /// Appends the entry.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        write_text(bytes, &self.name);
        varint::write(bytes, self.shape.len() as u64);
        for &side in &self.shape {
            varint::write(bytes, side as u64);
        }
        bytes.extend([self.kind, self.coding]);
        varint::write(bytes, self.length);
        bytes.extend(self.checksum.to_le_bytes());
    }

    /// Reads the entry of the tensor whose bytes begin at `offset`.
    pub(super) fn read(reader: &mut Reader<'_>, offset: u64) -> Result<Self> {
        let name = read_text(reader, "a tensor's name")?;
        let rank = reader.varint(reader.remaining(), "the rank of a tensor")?;
        let shape = (0..rank).map(|_| reader.varint(usize::MAX, "a dimension"));
        let shape = shape.collect::<Result<_>>()?;
        let kind = reader.byte("a tensor's kind")?;
        let coding = reader.byte("a tensor's coding")?;
        let length = reader.varint(usize::MAX, "the length of a tensor")? as u64;
        let mut checksum = [0; 4];
        checksum.copy_from_slice(reader.take(4, "a tensor's checksum")?);
        Ok(Entry {
            name,
            shape,
            offset,
            length,
            kind,
            coding,
            checksum: u32::from_le_bytes(checksum),
        })
    }
}

/// Appends the length of a text and the text.
pub(super) fn write_text(bytes: &mut Vec<u8>, text: &str) {
    varint::write(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

/// Reads what [`write_text`] wrote.
pub(super) fn read_text(reader: &mut Reader<'_>, what: &str) -> Result<String> {
    let length = reader.varint(usize::MAX, what)?;
    let start = reader.clone();
    let text = std::str::from_utf8(reader.take(length, what)?);
    let text = text.map_err(|_| start.error(format!("{what} is not UTF-8")))?;
    Ok(text.to_owned())
}
