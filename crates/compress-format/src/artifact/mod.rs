//! The compressed model file (`.cmp`): the architecture and every tensor, each stored in the
//! smallest of several codings.
//!
//! | bytes | what |
//! | --- | --- |
//! | 3 | `CMP` |
//! | 1 | version |
//! | 4 | CRC-32 of all other bytes, little-endian |
//! | few | the architecture: 8 for 784-300-100-10 |
//! | rest | for each layer its weight and its bias |
//!
//! A tensor is stored in one of four codings:
//!
//! - `dense`: 4 bytes a value, or 1 or 2 bytes a code;
//! - `packed`: codes in their own width; values without the zero bits that all of them end in;
//! - `sparse`: gaps between the non-zeros, then the non-zeros, packed;
//! - `entropy`: entropy coding by an adaptive model and a range coder (a form of arithmetic
//!   coding); see [`crate::coding::matrix`].
//!
//! Every coding returns exactly the bits that it was given.
//!
//! A model of integers that fits into 4 KiB is stored as one `solid` stream if that is shorter: the
//! byte 0xD1, 2 bytes of checksum, then the output of the range coder, which holds architecture,
//! grids and codes one after another.

mod codes;
mod floats;
mod grid;
mod header;
mod solid;
mod stream;
mod tensor;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::coding::meter::Part;
use crate::coding::reader::Reader;
use crate::front::Pooling;
use compress_core::codec::Tensor;
use compress_core::network::Architecture;
use compress_core::{Error, Result, file};

use header::{expected, names_and_shapes};

/// The first bytes of a file, unless it is one stream ([`solid::MAGIC`]).
const MAGIC: [u8; 3] = *b"CMP";

/// The version of the tensor-by-tensor format that is written; no other is read.
const VERSION: u8 = 2;

/// Where the checksum is. The rest of the file follows it.
const CHECKSUM: std::ops::Range<usize> = 4..8;

/// No file may have more parameters than this, nor more features.
pub const MOST_PARAMETERS: usize = 1 << 28;

/// A compressed model.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// The chain of layers.
    pub architecture: Architecture,
    /// For each layer its weight and its bias, in the order of the layers.
    pub tensors: Vec<Tensor>,
}

/// How one tensor is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    /// The parameter's name.
    pub name: String,
    /// `dense`, `packed`, `sparse` or `entropy`; `solid` in a file that is one stream.
    pub coding: &'static str,
    /// The bytes that it takes in the file, with its header; rounded where it shares bytes with
    /// others.
    pub bytes: usize,
}

/// The bytes of a file, and how its tensors are stored in them.
struct Written {
    bytes: Vec<u8>,
    stored: Vec<StoredTensor>,
    /// What the bytes are spent on, for a file that is one stream.
    parts: Option<Vec<(Part, f64)>>,
}

impl Artifact {
    /// The model of a chain and its parameters, in any order.
    ///
    /// # Errors
    /// Where a parameter has no tensor, or one does not fit the chain or its own grid.
    pub fn of_chain(architecture: Architecture, mut tensors: Vec<Tensor>) -> Result<Self> {
        architecture.check_tensors(&tensors)?;
        let names: Vec<String> = architecture.parameters().map(|(name, _)| name).collect();
        tensors.sort_by_key(|t| names.iter().position(|name| name == t.name()));
        let artifact = Artifact {
            architecture,
            tensors,
        };
        artifact.validate()?;
        Ok(artifact)
    }

    /// The bytes of the file, and how each tensor is stored in them. The file is as long as the
    /// tensors, the architecture and 8 bytes; or shorter, as one stream.
    ///
    /// # Errors
    /// Where the architecture is not a chain, has more than [`MOST_PARAMETERS`], or a tensor does
    /// not fit it or its own grid; [`Error::NonFinite`] where one has a value that is NaN or
    /// infinite.
    pub fn to_bytes(&self) -> Result<(Vec<u8>, Vec<StoredTensor>)> {
        let Written { bytes, stored, .. } = self.smallest()?;
        if cfg!(debug_assertions) {
            self.check_same(&Self::from_bytes(&bytes)?)?;
        }
        Ok((bytes, stored))
    }

    /// What the bytes of the file are spent on, where it is one stream; `None` of others.
    ///
    /// # Errors
    /// As [`Artifact::to_bytes`].
    pub fn parts(&self) -> Result<Option<Vec<(Part, f64)>>> {
        Ok(self.smallest()?.parts)
    }

    /// The shorter of both forms of the file.
    fn smallest(&self) -> Result<Written> {
        self.validate()?;
        let by_tensor = self.tensor_by_tensor();
        // One stream saves some tens of bytes, so it is not tried for longer files.
        if by_tensor.bytes.len() > solid::LONGEST + solid::LONGEST / 4 {
            return Ok(by_tensor);
        }
        let solid = solid::write(self);
        let solid = solid.filter(|solid| solid.bytes.len() < by_tensor.bytes.len());
        Ok(solid.unwrap_or(by_tensor))
    }

    fn tensor_by_tensor(&self) -> Written {
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        bytes.extend([0; CHECKSUM.end - CHECKSUM.start]);
        header::write(&mut bytes, &self.architecture);
        let stored = expected(&self.architecture)
            .zip(&self.tensors)
            .map(|((_, _, arrangements), t)| tensor::write(&mut bytes, t, &arrangements))
            .collect();
        Self::repair_checksum(&mut bytes);
        Written {
            bytes,
            stored,
            parts: None,
        }
    }

    /// Reads the bytes of a file, as [`Artifact::from_bytes_with_limit`] with a limit of 2^26
    /// parameters and 1024 more for each byte. This allows a tiny file of zeros and a large dense
    /// one, but no file that is made to exhaust memory.
    ///
    /// # Errors
    /// As [`Artifact::from_bytes_with_limit`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let limit = (1_usize << 26).saturating_add(bytes.len().saturating_mul(1024));
        Self::from_bytes_with_limit(bytes, limit)
    }

    /// Reads the bytes of a file with at most `most_parameters` parameters and as many features. If
    /// it is one stream, the weights of features that are not selected count too.
    ///
    /// Never panics. Never allocates more than a megabyte, 512 bytes for each layer, and 64 bytes
    /// for each parameter, feature and byte of the file.
    ///
    /// # Errors
    /// [`Error::Format`] where the bytes are cut off, changed (the checksum differs), not of this
    /// format or of another version, or describe more than the limit or [`MOST_PARAMETERS`].
    pub fn from_bytes_with_limit(bytes: &[u8], most_parameters: usize) -> Result<Self> {
        let most_parameters = most_parameters.min(MOST_PARAMETERS);
        if bytes.first() == Some(&solid::MAGIC) {
            return solid::read(bytes, most_parameters);
        }
        let mut reader = Reader::new(bytes, 0);
        check_beginning(&mut reader, bytes)?;
        let architecture = header::read(&mut reader, most_parameters)?;
        let tensors = expected(&architecture)
            .map(|(name, shape, arrangements)| {
                tensor::read(&mut reader, name, shape, &arrangements)
            })
            .collect::<Result<_>>()?;
        match reader.remaining() {
            0 => Ok(Artifact {
                architecture,
                tensors,
            }),
            more => Err(reader.error(format!("{more} bytes follow the last tensor"))),
        }
    }

    /// Writes the file, whole or not at all: under another name in the same directory, which is
    /// renamed once it is complete. Before that, the bytes are decoded again and compared with the
    /// model.
    ///
    /// # Errors
    /// Those of [`Artifact::to_bytes`], and [`Error::Io`] with the file's name.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<Vec<StoredTensor>> {
        let path = path.as_ref();
        let (bytes, stored) = self.to_bytes()?;
        Self::from_bytes(&bytes)
            .and_then(|read| self.check_same(&read))
            .map_err(|error| file::at(path, error))?;
        file::write(path, &bytes)?;
        tracing::debug!(path = %path.display(), bytes = bytes.len(), "wrote an artifact");
        Ok(stored)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`] with the file's name, where it cannot be read or its bytes are at fault.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_bytes(&file::read(path)?).map_err(|error| file::at(path, error))
    }

    /// Fails where `read`, from the bytes to be written, is another model.
    fn check_same(&self, read: &Self) -> Result<()> {
        if read == self {
            return Ok(());
        }
        let reason = "the bytes to be written do not decode to the model".into();
        Err(Error::Format { offset: 0, reason })
    }

    /// Makes the checksum of changed bytes right, so that a fuzzer or a test reaches what lies
    /// behind it. Does nothing to bytes too short to have one.
    #[doc(hidden)]
    pub fn repair_checksum(bytes: &mut [u8]) {
        if bytes.first() == Some(&solid::MAGIC) {
            solid::repair_checksum(bytes);
        } else if bytes.len() >= CHECKSUM.end {
            let checksum = checksum(bytes);
            bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        }
    }

    /// The tensor of this name.
    ///
    /// # Errors
    /// [`Error::UnknownTensor`] where there is none.
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        let found = self.tensors.iter().find(|t| t.name() == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.tensors.iter().map(Tensor::name).collect();
            Error::UnknownTensor {
                name: name.to_owned(),
                known: known.join(", "),
            }
        })
    }

    /// Fails where a tensor does not fit the architecture or its own grid.
    ///
    /// # Errors
    /// As [`Artifact::to_bytes`].
    pub fn validate(&self) -> Result<()> {
        self.architecture.validate()?;
        if let Some(front) = &self.architecture.front
            && Pooling::of(&self.architecture).is_none()
        {
            let expected = "one that a file can state";
            return Err(Error::invalid("the front", front.name(), expected));
        }
        header::check_size(&self.architecture, MOST_PARAMETERS)?;
        let layers = self.architecture.layers.len();
        Error::check_shape("the list of tensors", &[2 * layers], &[self.tensors.len()])?;
        for ((name, shape), tensor) in names_and_shapes(&self.architecture).zip(&self.tensors) {
            if tensor.name() != name {
                return Err(Error::invalid("a tensor's name", tensor.name(), name));
            }
            Error::check_shape(&name, &shape, tensor.shape())?;
            tensor.validate()?;
        }
        Ok(())
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
            "the file is of version {version}; this reads version {VERSION}"
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
