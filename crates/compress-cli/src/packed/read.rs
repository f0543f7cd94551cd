//! A container of files.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Component, Path};

use compress_core::{Error, Result, file};
use compress_format::container::{Container, ElementParts, Entry};

use super::{FileLine, KEY, REST};

/// A container of files that is read.
#[derive(Debug)]
pub(crate) struct Packed {
    container: Container<File>,
    files: Vec<FileLine>,
}

impl Packed {
    /// Opens a file that `pack` wrote, and checks what its list of files claims.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let container = Container::open_file(path)?;
        let files = files(&container).map_err(|error| file::at(path, error))?;
        Ok(Packed { container, files })
    }

    pub(crate) fn files(&self) -> &[FileLine] {
        &self.files
    }

    /// The entries of tensors, without those of the rest of the files.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = &Entry> {
        let all = self.positions().flatten();
        all.filter_map(|i| self.container.entries().get(i))
    }

    /// Where the tensors of each file stand.
    fn positions(&self) -> impl Iterator<Item = Range<usize>> {
        self.files.iter().scan(0, |first, file| {
            let start = *first;
            *first += file.tensors + file.rest;
            Some(start..start + file.tensors)
        })
    }

    /// The bytes of a tensor.
    pub(crate) fn tensor(&mut self, name: &str) -> Result<Vec<u8>> {
        self.check(name)?;
        Ok(self.container.elements(name)?.bytes)
    }

    /// Begins to read a tensor part by part.
    pub(crate) fn parts(&mut self, name: &str) -> Result<ElementParts> {
        self.check(name)?;
        self.container.element_parts(name)
    }

    /// The next bytes of a tensor.
    pub(crate) fn next_part<'a>(
        &mut self,
        parts: &'a mut ElementParts,
        memory: usize,
    ) -> Result<Option<&'a [u8]>> {
        self.container.next_part(parts, memory)
    }

    /// Fails where there is no tensor of this name.
    fn check(&self, name: &str) -> Result<()> {
        let position = self.container.position(name);
        match position.is_some_and(|i| self.positions().any(|of_file| of_file.contains(&i))) {
            true => Ok(()),
            false => Err(Error::UnknownTensor {
                name: name.to_owned(),
                known: self
                    .tensors()
                    .map(|e| e.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// The type of a tensor, as its label has it.
    pub(crate) fn label(&mut self, name: &str) -> Result<String> {
        Ok(self.container.element_parts(name)?.label().to_owned())
    }

    /// Writes file number `index`, part by part, and says of each how long it was. Checks that the
    /// file is the one that was packed. `memory` is about how many bytes are taken meanwhile.
    pub(crate) fn copy(
        &mut self,
        index: usize,
        memory: usize,
        to: &mut impl Write,
        mut progress: impl FnMut(u64),
    ) -> Result<()> {
        let line = self.files[index].clone();
        let first: usize = self.files[..index].iter().map(|f| f.tensors + f.rest).sum();
        let names: Vec<String> = self.container.names().map(str::to_owned).collect();
        let names = &names[first..first + line.tensors + line.rest];
        let (tensors, rest) = names.split_at(line.tensors);
        let mut sink = Hashing {
            to,
            hasher: crc32fast::Hasher::new(),
            bytes: 0,
        };
        let mut rest = Rest {
            names: rest.iter(),
            parts: None,
            bytes: Vec::new(),
            at: 0,
            memory,
        };
        let mut gaps = line.gaps.iter().peekable();
        for number in 0..=line.tensors {
            while let Some(&&(_, length)) = gaps.peek().filter(|(before, _)| *before == number) {
                rest.copy(&mut self.container, length, &mut sink)?;
                progress(length);
                gaps.next();
            }
            if let Some(name) = tensors.get(number) {
                let mut parts = self.container.element_parts(name)?;
                while let Some(bytes) = self.container.next_part(&mut parts, memory)? {
                    sink.write(bytes)?;
                    progress(bytes.len() as u64);
                }
            }
        }
        let same = sink.bytes == line.bytes && sink.hasher.finalize() == line.crc32;
        match same && rest.is_at_end(&mut self.container)? {
            true => Ok(()),
            false => {
                let what = format!("the bytes of {}", line.name);
                Err(Error::invalid(what, "others", "those that were packed"))
            }
        }
    }
}

/// The list of files, which must fit the tensors of the container.
fn files(container: &Container<File>) -> Result<Vec<FileLine>> {
    let found = container.metadata().iter().find(|(key, _)| key == KEY);
    let (_, json) = found.ok_or_else(|| {
        Error::invalid(
            "a container without files",
            "no list",
            "one that pack wrote",
        )
    })?;
    let files: Vec<FileLine> = serde_json::from_str(json).map_err(Error::other)?;
    let (mut names, mut entries) = (HashSet::new(), 0_usize);
    for line in &files {
        let mut parts = Path::new(&line.name).components();
        let is_plain =
            matches!(parts.next(), Some(Component::Normal(part)) if part == line.name.as_str());
        if !is_plain || parts.next().is_some() || !names.insert(&line.name) {
            let expected = "a name without a folder, given once";
            return Err(Error::invalid(
                "the name of a packed file",
                &line.name,
                expected,
            ));
        }
        entries = entries
            .saturating_add(line.tensors)
            .saturating_add(line.rest);
    }
    let known = container.entries().len();
    match entries == known {
        true => Ok(files),
        false => {
            let what = "the number of tensors that files are made of";
            Err(Error::invalid(what, entries, known.to_string()))
        }
    }
}

/// The rest of a file, piece by piece, each part by part.
struct Rest<'a> {
    names: std::slice::Iter<'a, String>,
    parts: Option<ElementParts>,
    /// The part that is used, up to `at`.
    bytes: Vec<u8>,
    at: usize,
    memory: usize,
}

impl Rest<'_> {
    fn copy(
        &mut self,
        container: &mut Container<File>,
        mut length: u64,
        to: &mut Hashing<'_, impl Write>,
    ) -> Result<()> {
        while length > 0 {
            if self.at == self.bytes.len() && !self.advance(container)? {
                let (what, expected) = ("the bytes beside tensors", "as many as the gaps have");
                return Err(Error::invalid(what, "fewer", expected));
            }
            let left = &self.bytes[self.at..];
            let now = left
                .len()
                .min(usize::try_from(length).unwrap_or(usize::MAX));
            to.write(&left[..now])?;
            self.at += now;
            length -= now as u64;
        }
        Ok(())
    }

    /// Reads the next part, of the next piece where there is none; returns whether there was one.
    fn advance(&mut self, container: &mut Container<File>) -> Result<bool> {
        (self.at, self.bytes) = (0, Vec::new());
        loop {
            if let Some(parts) = &mut self.parts {
                if let Some(bytes) = container.next_part(parts, self.memory)? {
                    self.bytes.extend_from_slice(bytes);
                    return Ok(true);
                }
                self.parts = None;
            }
            let Some(name) = self.names.next() else {
                return Ok(false);
            };
            let parts = container.element_parts(name)?;
            if parts.label() != REST {
                let what = format!("the type of {name}");
                return Err(Error::invalid(what, parts.label(), REST));
            }
            self.parts = Some(parts);
        }
    }

    /// Whether nothing is left.
    fn is_at_end(&mut self, container: &mut Container<File>) -> Result<bool> {
        Ok(self.at == self.bytes.len() && !self.advance(container)?)
    }
}

/// Counts and checks what is written.
struct Hashing<'a, W> {
    to: &'a mut W,
    hasher: crc32fast::Hasher,
    bytes: u64,
}

impl<W: Write> Hashing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.to.write_all(bytes).map_err(Error::other)
    }
}
