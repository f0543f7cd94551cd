//! Version 2: the architecture, then each tensor.
//!
//! The first byte of a tensor: the kind in bits 0 and 1, the coding in bits 2 and 3, a grid's width
//! of a code less one in bits 4 to 7. Names and shapes are the architecture's.

use compress_core::Result;
use compress_core::codec::Tensor;

use super::model::Artifact;
use super::written::Written;
use crate::coding::reader::Reader;
use crate::program::{self, expected};
use crate::tensors::content::{self, Kind};
use crate::tensors::stream::Arrangements;
use crate::tensors::{Coding, StoredTensor, grid};

/// The first bytes of a file, unless it is one stream.
pub(super) const MAGIC: [u8; 3] = *b"CMP";

/// The version of this form.
pub(super) const VERSION: u8 = 2;

/// Where the checksum is. The rest of the file follows it.
pub(super) const CHECKSUM: std::ops::Range<usize> = 4..8;

/// The file of a valid model; none where a tensor is of a kind that this version does not have.
pub(super) fn write(artifact: &Artifact) -> Option<Written> {
    let has = |tensor: &Tensor| Kind::of(tensor).number <= grid::POWER_OF_TWO;
    if !artifact.tensors.iter().all(has) {
        return None;
    }
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    bytes.extend([0; CHECKSUM.end - CHECKSUM.start]);
    program::write(&mut bytes, &artifact.architecture);
    let mut stored = Vec::new();
    for ((name, _, arrangements), tensor) in expected(&artifact.architecture).zip(&artifact.tensors)
    {
        let (coding, content) = content::smallest(tensor, &arrangements);
        bytes.push(first_byte(tensor, coding));
        bytes.extend_from_slice(&content);
        stored.push(StoredTensor {
            name,
            coding: coding.name(),
            bytes: 1 + content.len(),
        });
    }
    repair_checksum(&mut bytes);
    Some(Written {
        bytes,
        stored,
        parts: None,
    })
}

/// Reads what [`write`] wrote, with at most `most` parameters and as many features.
pub(super) fn read(bytes: &[u8], most: usize) -> Result<Artifact> {
    let mut reader = Reader::new(bytes, 0);
    check_beginning(&mut reader, bytes)?;
    let architecture = program::read(&mut reader, most)?;
    let tensors = expected(&architecture)
        .map(|(name, shape, arrangements)| read_tensor(&mut reader, name, shape, &arrangements))
        .collect::<Result<_>>()?;
    match reader.remaining() {
        0 => Ok(Artifact {
            architecture,
            tensors,
        }),
        more => Err(reader.error(format!("{more} bytes follow the last tensor"))),
    }
}

pub(super) fn first_byte(tensor: &Tensor, coding: Coding) -> u8 {
    let Kind { number, bits } = Kind::of(tensor);
    number | (coding as u8) << 2 | bits.map_or(0, |bits| bits - 1) << 4
}

/// Reads the tensor of this name and shape.
pub(super) fn read_tensor(
    reader: &mut Reader<'_>,
    name: String,
    shape: Vec<usize>,
    arrangements: &Arrangements,
) -> Result<Tensor> {
    let first = reader.byte(&name)?;
    let kind = Kind {
        number: first & 3,
        bits: Some((first >> 4) + 1),
    };
    let coding = Coding::ALL[usize::from((first >> 2) & 3)];
    content::read(reader, kind, coding, name, shape, arrangements)
}

/// Makes the checksum of changed bytes right, if there is one.
pub(super) fn repair_checksum(bytes: &mut [u8]) {
    if bytes.len() >= CHECKSUM.end {
        let checksum = checksum(bytes);
        bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Checks everything before the architecture, and leaves `reader` at the architecture.
fn check_beginning(reader: &mut Reader<'_>, bytes: &[u8]) -> Result<()> {
    let start = reader.clone();
    if reader.take(MAGIC.len(), "the magic number")? != MAGIC {
        return Err(
            start.error("this is not a compressed model: it begins neither with CMP nor with 0xD1")
        );
    }
    let at_version = reader.clone();
    let version = reader.byte("the version")?;
    if version != VERSION {
        return Err(at_version.error(format!(
            "the file is of version {version}; this reads versions 2 and 3"
        )));
    }
    let at_checksum = reader.clone();
    let stored = reader.take(CHECKSUM.len(), "the checksum")?;
    let computed = checksum(bytes);
    if stored != computed.to_le_bytes() {
        return Err(at_checksum.error(format!(
            "the checksum is {stored:02x?}, but that of the content {:02x?}: the file is damaged",
            computed.to_le_bytes()
        )));
    }
    Ok(())
}

/// The CRC-32 of all bytes except the checksum's own.
fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..CHECKSUM.start]);
    hasher.update(&bytes[CHECKSUM.end..]);
    hasher.finalize()
}
