//! Files into a container.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use compress_core::{Error, Result};
use compress_format::container::{Layout, Part, Writer};
use compress_io::{Format, Source};
use crc32fast::Hasher;

use super::behind::Behind;
use super::layout::layout;
use super::{FileLine, KEY, REST};
use crate::console::Console;

/// The most bytes of a piece of what is beside the tensors.
const PIECE: u64 = 1 << 24;
/// Bytes of a tensor whose memory is given back at once.
const RELEASED: usize = 1 << 24;

/// Writes the files into the container `to`. `memory` is about how many bytes are taken meanwhile.
/// Progress counts bytes.
pub(crate) fn pack(
    console: &Console,
    files: &[&Path],
    to: &Path,
    memory: usize,
) -> Result<Vec<FileLine>> {
    let created = File::create(to).map_err(|source| io(to, source))?;
    let behind = Behind::new(created);
    let failed = behind.failed();
    let packed = write(console, files, behind, memory);
    packed.map_err(|error| failed.at(to, error))
}

fn write(console: &Console, files: &[&Path], to: Behind, memory: usize) -> Result<Vec<FileLine>> {
    let mut packer = Packer {
        writer: Writer::new(to)?,
        memory,
        names: HashSet::new(),
        done: 0,
        total: 0,
        console,
    };
    for path in files {
        packer.total += std::fs::metadata(path)
            .map_err(|source| io(path, source))?
            .len();
    }
    let lines: Result<Vec<FileLine>> = files.iter().map(|path| packer.file(path)).collect();
    let lines = lines?;
    let json = serde_json::to_string(&lines).map_err(Error::other)?;
    packer.writer.metadata(KEY, &json)?;
    packer.writer.finish()?.finish().map_err(Error::other)?;
    Ok(lines)
}

struct Packer<'a> {
    writer: Writer<Behind>,
    memory: usize,
    names: HashSet<String>,
    done: u64,
    total: u64,
    console: &'a Console,
}

impl Packer<'_> {
    fn file(&mut self, path: &Path) -> Result<FileLine> {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.map(str::to_owned) else {
            let what = "the name of a file that is packed";
            return Err(Error::invalid(what, path.display(), "UTF-8"));
        };
        let mut bytes = Bytes::open(path)?;
        // A file of no known format has no tensors, and neither has one that is broken.
        let source = Format::of(path).and_then(|format| format.open(path)).ok();
        let places = source.as_deref().map(places).unwrap_or_default();
        let mut hasher = Hasher::new();
        let (mut at, mut gaps) = (0, Vec::new());
        for (number, (index, place)) in places.iter().enumerate() {
            if place.start > at {
                bytes.hash(at..place.start, &mut hasher)?;
                gaps.push((number, at..place.start));
            }
            at = place.end;
            let Some(source) = &source else { continue };
            self.tensor(&name, &**source, *index, &mut hasher)?;
        }
        if bytes.length > at {
            bytes.hash(at..bytes.length, &mut hasher)?;
            gaps.push((places.len(), at..bytes.length));
        }
        drop(source);
        let rest = self.rest(&name, &mut bytes, gaps.iter().map(|(_, gap)| gap.clone()))?;
        Ok(FileLine {
            name,
            bytes: bytes.length,
            crc32: hasher.finalize(),
            tensors: places.len(),
            rest,
            gaps: gaps
                .into_iter()
                .map(|(number, gap)| (number, gap.end - gap.start))
                .collect(),
        })
    }

    fn tensor(
        &mut self,
        file: &str,
        source: &dyn Source,
        index: usize,
        hasher: &mut Hasher,
    ) -> Result<()> {
        let info = &source.tensors()[index];
        let name = self.free_name(info.name.clone(), file);
        let bytes = source.bytes(index)?;
        let mut kept = 0;
        let mut written = |part: &Part<'_>| {
            let range = part.range.clone();
            let length = range.len() as u64;
            hasher.combine(&Hasher::new_with_initial_len(part.plain_checksum, length));
            if range.end - kept >= RELEASED || range.end == bytes.len() {
                source.release(index, kept..range.end);
                kept = range.end;
            }
            self.done += length;
            self.console
                .progress("packing", &info.name, self.done, self.total);
            Ok(())
        };
        self.writer.element_parts(
            &name,
            &info.shape,
            info.dtype.name(),
            &layout(info.dtype)?,
            &bytes,
            self.memory,
            &mut written,
        )?;
        Ok(())
    }

    /// Writes what lies in the gaps, in pieces; returns how many.
    fn rest(
        &mut self,
        file: &str,
        bytes: &mut Bytes,
        gaps: impl Iterator<Item = Range<u64>>,
    ) -> Result<usize> {
        let (mut count, mut piece) = (0, Vec::new());
        for mut gap in gaps {
            while !gap.is_empty() {
                let taken = (gap.end - gap.start).min(PIECE - piece.len() as u64);
                bytes.append(gap.start..gap.start + taken, &mut piece)?;
                gap.start += taken;
                if piece.len() as u64 == PIECE {
                    self.piece(file, &piece)?;
                    piece.clear();
                    count += 1;
                }
            }
        }
        if !piece.is_empty() {
            self.piece(file, &piece)?;
            count += 1;
        }
        Ok(count)
    }

    fn piece(&mut self, file: &str, bytes: &[u8]) -> Result<()> {
        let name = self.free_name(format!("rest of {file}"), file);
        let layout = Layout::integers(1)?;
        let (shape, memory) = ([bytes.len()], self.memory);
        self.writer
            .element_parts(&name, &shape, REST, &layout, bytes, memory, |_| Ok(()))?;
        self.done += bytes.len() as u64;
        self.console
            .progress("packing", file, self.done, self.total);
        Ok(())
    }

    /// The name, or one like it where another tensor has it.
    fn free_name(&mut self, name: String, file: &str) -> String {
        let mut free = name.clone();
        let mut number = 1;
        while !self.names.insert(free.clone()) {
            number += 1;
            free = format!("{name} ({file}, {number})");
        }
        free
    }
}

/// The tensors that lie in a file as they are, by number, in the order of their places.
fn places(source: &dyn Source) -> Vec<(usize, Range<u64>)> {
    let all = 0..source.tensors().len();
    let placed = all.map(|index| source.place(index).map(|place| (index, place)));
    // Empty ones may share their places.
    let mut places: Vec<_> = placed
        .flatten()
        .filter(|(_, place)| !place.is_empty())
        .collect();
    places.sort_by_key(|(_, place)| place.start);
    // None begins before the end of another.
    let mut end = 0;
    places.retain(|(_, place)| {
        let is_free = place.start >= end;
        end = end.max(place.end);
        is_free
    });
    places
}

/// A file, read in parts.
struct Bytes<'a> {
    path: &'a Path,
    file: File,
    length: u64,
}

impl<'a> Bytes<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(|source| io(path, source))?;
        let length = file.metadata().map_err(|source| io(path, source))?.len();
        Ok(Bytes { path, file, length })
    }

    fn append(&mut self, range: Range<u64>, to: &mut Vec<u8>) -> Result<()> {
        let before = to.len();
        let mut read = || {
            self.file.seek(SeekFrom::Start(range.start))?;
            (&mut self.file)
                .take(range.end - range.start)
                .read_to_end(to)
        };
        read().map_err(|source| io(self.path, source))?;
        match (to.len() - before) as u64 == range.end - range.start {
            true => Ok(()),
            false => Err(io(self.path, std::io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Hashes some of it.
    fn hash(&mut self, range: Range<u64>, hasher: &mut Hasher) -> Result<()> {
        const PART: u64 = 1 << 20;
        let mut part = Vec::new();
        for start in range.clone().step_by(PART as usize) {
            part.clear();
            self.append(start..range.end.min(start + PART), &mut part)?;
            hasher.update(&part);
        }
        Ok(())
    }
}

fn io(path: &Path, source: std::io::Error) -> Error {
    let path = path.to_owned();
    Error::Io { path, source }
}
