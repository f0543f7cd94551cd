//! Reads single tensors of a container.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use compress_core::codec::Tensor;
use compress_core::{Error, Result, file};

use super::directory::Directory;
use super::elements::{self, ElementParts, Elements};
use super::entry::{CHANGED, Entry};
use super::program::Program;
use super::trailer::{self, MAGIC};
use crate::coding::reader::Reader;
use crate::limits::most_values;
use crate::tensors::Coding;
use crate::tensors::content::{self, ELEMENTS, Kind};

/// An open file of named tensors. The directory has been read and checked; a tensor is when it is
/// asked for.
#[derive(Debug)]
pub struct Container<R> {
    from: R,
    directory: Directory,
    /// The positions of the entries in the order of their names.
    by_name: Vec<usize>,
}

impl Container<File> {
    /// Opens a file.
    ///
    /// # Errors
    /// Those of [`Container::open`], with the file's name.
    pub fn open_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let opened = File::open(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        Self::open(opened).map_err(|error| file::at(path, error))
    }
}

impl<R: Read + Seek> Container<R> {
    /// Opens a container whose tensors have at most 2^19 values together, and 256 more for each byte
    /// of the file ([`most_values`]); a program as many features and parameters. So no file can make
    /// a reader take memory out of proportion to its length. For bytes in memory, see
    /// [`std::io::Cursor`].
    ///
    /// # Errors
    /// As [`Container::open_with_limit`].
    pub fn open(mut from: R) -> Result<Self> {
        let length = from.seek(SeekFrom::End(0)).map_err(Error::other)?;
        Self::open_with_limit(from, most_values(length))
    }

    /// Opens a container whose tensors have at most `most` values together, and its program as many
    /// features and parameters. A dimension of 0 counts as 1.
    ///
    /// Never panics. Allocates at most a megabyte, 64 bytes for each byte of the directory and 16
    /// for each feature.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is no container, is cut off or changed (its length or the
    /// directory's checksum differs), has more values than the limit, or two tensors of one name.
    /// Where reading fails.
    pub fn open_with_limit(mut from: R, most: usize) -> Result<Self> {
        let length = from.seek(SeekFrom::End(0)).map_err(Error::other)?;
        let error = |offset: u64, reason: String| Error::Format {
            offset: usize::try_from(offset).unwrap_or(usize::MAX),
            reason,
        };
        let least = (MAGIC.len() + trailer::LENGTH) as u64;
        if length < least {
            let reason = format!("a container has at least {least} bytes, this has {length}");
            return Err(error(length, reason));
        }
        let first: [u8; MAGIC.len()] = take(&mut from, 0)?;
        if first != MAGIC {
            let reason = "this is no container: it does not begin with CMP and version 3";
            return Err(error(0, reason.into()));
        }
        let end = length - trailer::LENGTH as u64;
        let last: [u8; trailer::LENGTH] = take(&mut from, end)?;
        let directory_length = trailer::directory_length(last);
        let start = end.checked_sub(directory_length);
        let Some(start) = start.filter(|&start| start >= MAGIC.len() as u64) else {
            let reason = format!("the directory has {directory_length} bytes: the file is damaged");
            return Err(error(end, reason));
        };
        let bytes = take_vec(&mut from, start, directory_length)?;
        if trailer::of(&bytes) != last {
            let reason = "the directory's checksum is not that of its content: the file is damaged";
            return Err(error(end, reason.into()));
        }
        let read = Directory::read(&mut Reader::new(&bytes, 0), most);
        let directory = read.map_err(|fault| moved(fault, start, ""))?;
        let tensors: u64 = directory.entries.iter().map(|entry| entry.length).sum();
        if tensors != start - MAGIC.len() as u64 {
            let found = start - MAGIC.len() as u64;
            let reason = format!("the tensors have {found} bytes, the directory says {tensors}");
            return Err(error(start, reason));
        }
        let mut by_name: Vec<usize> = (0..directory.entries.len()).collect();
        by_name.sort_unstable_by_key(|&i| directory.entries[i].name.as_str());
        Ok(Container {
            from,
            directory,
            by_name,
        })
    }

    /// Reads the tensor of this name.
    ///
    /// # Errors
    /// [`Error::UnknownTensor`] where there is none; [`Error::Format`] where its bytes are changed
    /// (the checksum differs), do not fit what the directory says, or are of a kind or a coding that
    /// this reader does not know. Where reading fails.
    pub fn tensor(&mut self, name: &str) -> Result<Tensor> {
        let (entry, bytes) = self.take(name)?;
        let read = read_tensor(&entry, &self.directory.program, &bytes);
        read.map_err(|fault| moved(fault, entry.offset, name))
    }

    /// Reads the tensor of this name, which [`Writer::elements`](super::Writer::elements) wrote.
    ///
    /// Allocates at most 256 times the tensor's bytes in the file, and some megabytes for each thread.
    ///
    /// # Errors
    /// As [`Container::tensor`]; where the tensor is of another kind.
    pub fn elements(&mut self, name: &str) -> Result<Elements> {
        let (entry, bytes) = self.take(name)?;
        let read = elements::check_kind(&entry)
            .and_then(|()| check(&entry, &bytes))
            .and_then(|()| elements::read(&mut Reader::new(&bytes, 0)));
        read.map_err(|fault| moved(fault, entry.offset, name))
    }

    /// Begins to read such a tensor part by part, with [`Container::next_part`], so that it need not
    /// fit into memory.
    ///
    /// # Errors
    /// As [`Container::elements`], but what follows the label and the number of elements has not been
    /// looked at.
    pub fn element_parts(&mut self, name: &str) -> Result<ElementParts> {
        let entry = self.entry(name)?;
        let opened = ElementParts::open(&mut self.from, &entry);
        opened.map_err(|fault| moved(fault, entry.offset, name))
    }

    /// The next bytes of a tensor of this container, none behind the last ones. `memory` is about how
    /// many bytes are taken meanwhile; it does not change what is read in all.
    ///
    /// # Errors
    /// As [`Container::elements`]. That the checksum differs is known behind the last part alone, so
    /// what was read is not to be used before.
    pub fn next_part<'a>(
        &mut self,
        parts: &'a mut ElementParts,
        memory: usize,
    ) -> Result<Option<&'a [u8]>> {
        let (offset, name) = (parts.entry().offset, parts.entry().name.clone());
        let next = parts.next(&mut self.from, memory);
        next.map_err(|fault| moved(fault, offset, &name))
    }

    /// What the directory says of the tensor of this name.
    fn entry(&self, name: &str) -> Result<Entry> {
        let entry = self.position(name).map(|i| &self.directory.entries[i]);
        entry.cloned().ok_or_else(|| Error::UnknownTensor {
            name: name.to_owned(),
            known: self.names().collect::<Vec<_>>().join(", "),
        })
    }

    /// The entry and the bytes of a tensor.
    fn take(&mut self, name: &str) -> Result<(Entry, Vec<u8>)> {
        let entry = self.entry(name)?;
        let bytes = take_vec(&mut self.from, entry.offset, entry.length)?;
        Ok((entry, bytes))
    }
}

impl<R> Container<R> {
    /// Which of the [`Container::entries`] is the tensor of this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        let name_of = |i: &usize| self.directory.entries[*i].name.as_str();
        let place = self.by_name.binary_search_by_key(&name, name_of);
        place.ok().map(|place| self.by_name[place])
    }

    /// The tensors' names, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.directory.entries.iter().map(|e| e.name.as_str())
    }

    /// What the directory says of each tensor, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.directory.entries
    }

    /// How the tensors make a model.
    pub fn program(&self) -> &Program {
        &self.directory.program
    }

    /// Keys and values, in the order of the file.
    pub fn metadata(&self) -> &[(String, String)] {
        &self.directory.metadata
    }
}

/// Checks that the bytes of a tensor are those that were written.
fn check(entry: &Entry, bytes: &[u8]) -> Result<()> {
    match crc32fast::hash(bytes) == entry.checksum {
        true => Ok(()),
        false => Err(Reader::new(bytes, 0).error(CHANGED)),
    }
}

/// Reads a tensor's bytes.
fn read_tensor(entry: &Entry, program: &Program, bytes: &[u8]) -> Result<Tensor> {
    let mut reader = Reader::new(bytes, 0);
    check(entry, bytes)?;
    if entry.kind == ELEMENTS {
        return Err(reader.error("these are elements of another format, which are read as such"));
    }
    let Some(coding) = Coding::of(entry.coding) else {
        return Err(reader.error(format!("a tensor of the unknown coding {}", entry.coding)));
    };
    let bits = match Kind::has_bits(entry.kind) {
        true => Some(reader.byte("the bits of a code")?),
        false => None,
    };
    let kind = Kind {
        number: entry.kind,
        bits,
    };
    let arrangements = program.arrangements(&entry.name, &entry.shape);
    let (name, shape) = (entry.name.clone(), entry.shape.clone());
    let tensor = content::read(&mut reader, kind, coding, name, shape, &arrangements)?;
    match reader.remaining() {
        0 => Ok(tensor),
        more => Err(reader.error(format!("{more} bytes follow its last value"))),
    }
}

fn take<const N: usize>(from: &mut (impl Read + Seek), at: u64) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    from.seek(SeekFrom::Start(at)).map_err(Error::other)?;
    from.read_exact(&mut bytes).map_err(Error::other)?;
    Ok(bytes)
}

/// Takes `length` bytes, which the file has.
fn take_vec(from: &mut (impl Read + Seek), at: u64, length: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(Error::other)?];
    from.seek(SeekFrom::Start(at)).map_err(Error::other)?;
    from.read_exact(&mut bytes).map_err(Error::other)?;
    Ok(bytes)
}

/// A fault within a part of the file that begins at `start`, as one of the whole file.
fn moved(fault: Error, start: u64, name: &str) -> Error {
    match fault {
        Error::Format { offset, reason } => Error::Format {
            offset: offset.saturating_add(usize::try_from(start).unwrap_or(usize::MAX)),
            reason: match name {
                "" => reason,
                name => format!("{name}: {reason}"),
            },
        },
        other => other,
    }
}
