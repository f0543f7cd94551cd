//! Files of models: which form is written, and which forms are read.

use std::io::Cursor;
use std::path::Path;

use compress_core::{Error, Result, file};

use super::model::Artifact;
use super::written::Written;
use super::{by_tensor, solid};
use crate::coding::meter::Part;
use crate::container::{Container, Program, Writer};
use crate::limits::{MOST_PARAMETERS, most_values};
use crate::tensors::StoredTensor;

impl Artifact {
    /// The bytes of the file, and how each tensor is stored in them. The file is as long as the
    /// tensors, the architecture and 8 bytes; or shorter, as one stream; or a container, where a
    /// tensor is in blocks or on a scaled codebook.
    ///
    /// # Errors
    /// Those of [`Artifact::validate`].
    pub fn to_bytes(&self) -> Result<(Vec<u8>, Vec<StoredTensor>)> {
        let Written { bytes, stored, .. } = self.smallest()?;
        if cfg!(debug_assertions) {
            self.check_same(&bytes)?;
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

    /// The shortest form of the file.
    fn smallest(&self) -> Result<Written> {
        self.validate()?;
        let Some(by_tensor) = by_tensor::write(self) else {
            return self.container();
        };
        // One stream saves some tens of bytes, so it is not tried for longer files.
        if by_tensor.bytes.len() > solid::LONGEST + solid::LONGEST / 4 {
            return Ok(by_tensor);
        }
        let solid = solid::write(self);
        let solid = solid.filter(|solid| solid.bytes.len() < by_tensor.bytes.len());
        Ok(solid.unwrap_or(by_tensor))
    }

    /// As a container of version 3, whose program is the chain.
    fn container(&self) -> Result<Written> {
        let mut writer = Writer::new(Vec::new())?;
        writer.chain(&self.architecture)?;
        let stored = self.tensors.iter().map(|tensor| writer.tensor(tensor));
        Ok(Written {
            stored: stored.collect::<Result<_>>()?,
            bytes: writer.finish()?,
            parts: None,
        })
    }

    /// Reads the bytes of a file, as [`Artifact::from_bytes_with_limit`] with a limit of 2^19
    /// parameters and 256 more for each byte ([`most_values`]). So no file can make a reader take
    /// memory out of proportion to its length. A large layer that is almost all zeros needs a limit
    /// of the caller's.
    ///
    /// # Errors
    /// As [`Artifact::from_bytes_with_limit`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_with_limit(bytes, most_values(bytes.len() as u64))
    }

    /// Reads the bytes of a file with at most `most_parameters` parameters and as many features. If
    /// it is one stream, the weights of features that are not selected count too.
    ///
    /// Never panics. The model takes no more than a megabyte, 64 bytes for each parameter and feature,
    /// and 160 bytes for each byte of the file.
    ///
    /// # Errors
    /// [`Error::Format`] where the bytes are cut off, changed (a checksum differs), not of this
    /// format or of another version, describe more than the limit or [`MOST_PARAMETERS`], or are a
    /// container without a chain or with tensors beside it.
    pub fn from_bytes_with_limit(bytes: &[u8], most_parameters: usize) -> Result<Self> {
        let most = most_parameters.min(MOST_PARAMETERS);
        if bytes.first() == Some(&solid::MAGIC) {
            solid::read(bytes, most)
        } else if bytes.starts_with(&crate::container::MAGIC) {
            from_container(bytes, most)
        } else {
            by_tensor::read(bytes, most)
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
        self.check_same(&bytes)
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

    /// Fails where `bytes`, which are to be written, hold another model.
    fn check_same(&self, bytes: &[u8]) -> Result<()> {
        if Self::from_bytes_with_limit(bytes, MOST_PARAMETERS)? == *self {
            return Ok(());
        }
        let reason = "the bytes to be written do not decode to the model".into();
        Err(Error::Format { offset: 0, reason })
    }

    /// Makes the checksums of changed bytes right, so that a fuzzer or a test reaches what lies
    /// behind them. Does nothing to bytes too short to have any.
    #[doc(hidden)]
    pub fn repair_checksum(bytes: &mut [u8]) {
        if bytes.first() == Some(&solid::MAGIC) {
            solid::repair_checksum(bytes);
        } else if bytes.starts_with(&crate::container::MAGIC) {
            crate::container::repair_checksums(bytes);
        } else {
            by_tensor::repair_checksum(bytes);
        }
    }
}

/// The model of a container that holds a chain and its tensors alone.
fn from_container(bytes: &[u8], most: usize) -> Result<Artifact> {
    let mut container = Container::open_with_limit(Cursor::new(bytes), most)?;
    let error = |reason: String| Error::Format { offset: 0, reason };
    let architecture = match container.program() {
        Program::Chain(architecture) => architecture.clone(),
        Program::None => return Err(error("the container has tensors, but no chain".into())),
        Program::Other(number) => {
            return Err(error(format!("the program of kind {number} is not known")));
        }
    };
    let count = container.entries().len();
    let expected: Vec<String> = architecture.parameters().map(|(name, _)| name).collect();
    if count != expected.len() {
        let reason = format!("a chain of {} tensors has {count}", expected.len());
        return Err(error(reason));
    }
    let tensors = expected.iter().map(|name| container.tensor(name));
    let artifact = Artifact {
        tensors: tensors.collect::<Result<_>>()?,
        architecture,
    };
    artifact
        .validate()
        .map_err(|fault| error(fault.to_string()))?;
    Ok(artifact)
}
