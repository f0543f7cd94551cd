//! Writes a container, tensor by tensor.

use std::collections::HashSet;
use std::io::Write;

use compress_core::chain::Architecture;
use compress_core::codec::Tensor;
use compress_core::{Error, Result};

use super::directory::Directory;
use super::elements;
use super::entry::Entry;
use super::program::Program;
use super::trailer::{self, MAGIC};
use crate::coding::elements::Layout;
use crate::coding::elements::parts::{self, Part};
use crate::front::Pooling;
use crate::tensors::StoredTensor;
use crate::tensors::content::{self, ELEMENTS, Kind, PLANES};

/// Writes a container. A tensor's bytes are written when it is given, in the smallest of its codings;
/// the directory at the end.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    /// How many bytes have been written.
    at: u64,
    directory: Directory,
    names: HashSet<String>,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn new(mut to: W) -> Result<Self> {
        to.write_all(&MAGIC).map_err(Error::other)?;
        Ok(Writer {
            to,
            at: MAGIC.len() as u64,
            directory: Directory::default(),
            names: HashSet::new(),
        })
    }

    /// Says that the tensors are the parameters of a chain of dense layers, before any of them is
    /// given. Others may stand beside them.
    ///
    /// # Errors
    /// Where the architecture is not a chain or has a front that a file cannot state, or tensors have
    /// been given.
    pub fn chain(&mut self, architecture: &Architecture) -> Result<()> {
        architecture.validate()?;
        if let Some(front) = &architecture.front
            && Pooling::of(architecture).is_none()
        {
            let expected = "one that a file can state";
            return Err(Error::invalid("the front", front.name(), expected));
        }
        if let Some(entry) = self.directory.entries.first() {
            let expected = "given after the chain that says how it is read";
            return Err(Error::invalid("a tensor", &entry.name, expected));
        }
        self.directory.program = Program::Chain(architecture.clone());
        Ok(())
    }

    /// Adds a key and its value.
    ///
    /// # Errors
    /// Where there is a value for the key.
    pub fn metadata(&mut self, key: &str, value: &str) -> Result<()> {
        if self
            .directory
            .metadata
            .iter()
            .any(|(other, _)| other == key)
        {
            return Err(Error::invalid("a key of the metadata", key, "given once"));
        }
        let pair = (key.to_owned(), value.to_owned());
        self.directory.metadata.push(pair);
        Ok(())
    }

    /// Writes a tensor.
    ///
    /// # Errors
    /// Those of [`Tensor::validate`]; where another tensor has its name, or writing fails.
    pub fn tensor(&mut self, tensor: &Tensor) -> Result<StoredTensor> {
        tensor.validate()?;
        let (name, shape) = (tensor.name(), tensor.shape());
        self.check_name(name)?;
        let arrangements = self.directory.program.arrangements(name, shape);
        let (coding, content) = content::smallest(tensor, &arrangements);
        let Kind { number, bits } = Kind::of(tensor);
        let parts = [bits.as_slice(), &content];
        let bytes = self.add(name, shape, (number, coding as u8), &parts)?;
        Ok(StoredTensor {
            name: name.to_owned(),
            coding: coding.name(),
            bytes,
        })
    }

    /// Writes a tensor of another format, whose bytes [`Container::elements`](super::Container::elements)
    /// gives back. `label` says what they are; `layout` how they are coded best.
    ///
    /// # Errors
    /// Where the bytes are no whole elements of the layout, another tensor has the name, or writing
    /// fails.
    pub fn elements(
        &mut self,
        name: &str,
        shape: &[usize],
        label: &str,
        layout: &Layout,
        bytes: &[u8],
    ) -> Result<StoredTensor> {
        self.element_parts(name, shape, label, layout, bytes, usize::MAX, |_| Ok(()))
    }

    /// As [`Writer::elements`], for bytes that need not fit into memory, such as a mapped file.
    /// `memory` is about how many bytes are taken meanwhile; what is written does not depend on it.
    /// `written` is told of each part, whose bytes are not read any more.
    ///
    /// # Errors
    /// As [`Writer::elements`]; those of `written`. Nothing can be added to the file then.
    pub fn element_parts(
        &mut self,
        name: &str,
        shape: &[usize],
        label: &str,
        layout: &Layout,
        bytes: &[u8],
        memory: usize,
        mut written: impl FnMut(&Part<'_>) -> Result<()>,
    ) -> Result<StoredTensor> {
        layout.check(bytes)?;
        let label = elements::label_bytes(label)?;
        self.check_name(name)?;
        let mut section = Section::default();
        section.put(&mut self.to, &label, crc32fast::hash(&label))?;
        parts::write(layout, bytes, memory, true, |part| {
            section.put(&mut self.to, part.coded, part.checksum)?;
            written(&part)
        })?;
        let bytes = self.end(name, shape, (ELEMENTS, 0), section);
        Ok(StoredTensor {
            name: name.to_owned(),
            coding: PLANES,
            bytes,
        })
    }

    /// Notes the name of a tensor, which no other may have.
    fn check_name(&mut self, name: &str) -> Result<()> {
        match self.names.insert(name.to_owned()) {
            true => Ok(()),
            false => Err(Error::invalid("a tensor's name", name, "given once")),
        }
    }

    /// Writes the parts of a tensor's bytes, and adds it to the directory. Returns what both take.
    fn add(
        &mut self,
        name: &str,
        shape: &[usize],
        (kind, coding): (u8, u8),
        parts: &[&[u8]],
    ) -> Result<usize> {
        let mut section = Section::default();
        for part in parts {
            section.put(&mut self.to, part, crc32fast::hash(part))?;
        }
        Ok(self.end(name, shape, (kind, coding), section))
    }

    /// Adds a tensor, whose bytes were written, to the directory. Returns what both take.
    fn end(
        &mut self,
        name: &str,
        shape: &[usize],
        (kind, coding): (u8, u8),
        section: Section,
    ) -> usize {
        let entry = Entry {
            name: name.to_owned(),
            shape: shape.to_vec(),
            offset: self.at,
            length: section.length,
            kind,
            coding,
            checksum: section.hasher.finalize(),
        };
        self.at += entry.length;
        let mut line = Vec::new();
        entry.write(&mut line);
        self.directory.entries.push(entry);
        line.len() + section.length as usize
    }

    /// Writes the directory, and gives back what the file was written to.
    ///
    /// # Errors
    /// Where a parameter of the chain was not given or has another shape, the directory is longer
    /// than 4 GiB, or writing fails.
    pub fn finish(mut self) -> Result<W> {
        if let Program::Chain(architecture) = &self.directory.program {
            for (name, shape) in architecture.parameters() {
                let found = self.directory.entries.iter().find(|e| e.name == name);
                let found = found.ok_or_else(|| {
                    Error::invalid(format!("the chain's tensor {name}"), "missing", "given")
                })?;
                Error::check_shape(&name, &shape, &found.shape)?;
            }
        }
        let directory = self.directory.to_bytes();
        if u32::try_from(directory.len()).is_err() {
            let (what, most) = ("the length of the directory", "below 2^32");
            return Err(Error::invalid(what, directory.len(), most));
        }
        self.to.write_all(&directory).map_err(Error::other)?;
        let trailer = trailer::of(&directory);
        self.to.write_all(&trailer).map_err(Error::other)?;
        self.to.flush().map_err(Error::other)?;
        Ok(self.to)
    }
}

/// What has been written of a tensor.
#[derive(Default)]
struct Section {
    hasher: crc32fast::Hasher,
    length: u64,
}

impl Section {
    /// Writes more of it, whose CRC-32 is known.
    fn put(&mut self, to: &mut impl Write, bytes: &[u8], checksum: u32) -> Result<()> {
        let length = bytes.len() as u64;
        self.hasher
            .combine(&crc32fast::Hasher::new_with_initial_len(checksum, length));
        self.length += length;
        to.write_all(bytes).map_err(Error::other)
    }
}
