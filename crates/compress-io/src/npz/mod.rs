//! numpy's files: `.npy` with one array, and `.npz`, a zip archive of such.
//!
//! An array in a file of its own has the file's name without its ending as its name.
//!
//! # References
//! `numpy.lib.format` in numpy's reference; PKWARE's `APPNOTE.TXT`, sections 4.3 and 4.4.

mod archive;
mod array;
mod literal;
mod types;
mod write;

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use compress_core::{Error, Result, file};

use crate::dtype::{Dtype, TensorInfo};
use crate::map::Map;
use crate::metadata::Metadata;
use crate::source::Source;

pub(crate) use write::{array_header_bytes, header_bytes};
pub use write::{create, create_array};

/// An archive of arrays. Stored ones are lent as they lie in the file, deflated ones are inflated
/// one by one.
#[derive(Debug)]
pub struct Npz {
    map: Map,
    members: Vec<(archive::Member, array::Header)>,
    tensors: Vec<TensorInfo>,
    metadata: Metadata,
}

impl Npz {
    /// Opens a file.
    ///
    /// # Errors
    /// Where it cannot be read, is no such archive, has a name twice, or a member is no array,
    /// claims more than 16 times the file and 64 MiB, or has a type that is not known here; names
    /// the file and the member.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = Map::open(path)?;
        Self::read(map).map_err(|error| file::at(path, error))
    }

    fn read(map: Map) -> Result<Self> {
        let (mut members, mut tensors) = (Vec::new(), Vec::new());
        for member in archive::members(map.bytes())? {
            let header = array::read(&mut member.reader(map.bytes()));
            let header = header.map_err(|error| within(&member.name, error))?;
            tensors.push(header.info(member.name.clone(), member.size)?);
            members.push((member, header));
        }
        Ok(Npz {
            map,
            members,
            tensors,
            metadata: Vec::new(),
        })
    }
}

fn within(member: &str, error: Error) -> Error {
    Error::Other(format!("member {member}: {error}").into())
}

impl Source for Npz {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        let (member, header) = &self.members[index];
        Ok(header.values(member.bytes(self.map.bytes())?))
    }

    fn release(&self, index: usize, bytes: Range<usize>) {
        let (member, header) = &self.members[index];
        // Where the values lie as they are lent; the others are whole when they are lent.
        let start = member.range.start + header.length;
        let end = (start + bytes.end).min(member.range.end);
        self.map.release(start + bytes.start..end);
    }
}

/// A file of one array.
#[derive(Debug)]
pub struct Npy {
    map: Map,
    header: array::Header,
    tensors: [TensorInfo; 1],
    metadata: Metadata,
}

impl Npy {
    /// Opens a file.
    ///
    /// # Errors
    /// Where it cannot be read, breaks a rule of the format, or has a type that is not known here.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = Map::open(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let read = array::read(&mut map.bytes()).and_then(|header| {
            let info = header.info(name.into_owned(), map.bytes().len() as u64)?;
            Ok((header, [info]))
        });
        let (header, tensors) = read.map_err(|error| file::at(path, error))?;
        Ok(Npy {
            map,
            header,
            tensors,
            metadata: Vec::new(),
        })
    }
}

impl Source for Npy {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn bytes(&self, _: usize) -> Result<Cow<'_, [u8]>> {
        Ok(self.header.values(Cow::Borrowed(self.map.bytes())))
    }

    fn release(&self, _: usize, bytes: Range<usize>) {
        let start = self.header.length;
        self.map.release(start + bytes.start..start + bytes.end);
    }
}

/// Whether numpy has a type.
pub(crate) fn holds(dtype: Dtype) -> bool {
    types::write(dtype, "").is_ok()
}

/// Whether a file that begins so is an array.
pub(crate) fn detect_array(start: &[u8]) -> bool {
    start.starts_with(array::MAGIC)
}
