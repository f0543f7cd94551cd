//! Writing what was built.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use compress_core::{Error, Result};

use super::build::{Built, Part};
use super::pack;
use super::plan::{Kind, Plan, Planned};
use crate::dtype::Dtype;
use crate::onnx::model::Onnx;
use crate::onnx::quantize::{Codes, Layout, Weight};
use crate::onnx::wire::Piece;
use crate::source::Source;
use crate::values;

/// Values that are worked on at a time, where they are independent.
const PIECE: usize = 1 << 16;

/// Copies the files of external data, under the names that they have.
pub(super) fn copy_files(onnx: &Onnx, path: &Path) -> Result<()> {
    for name in onnx.index.files.names() {
        let (from, to) = (onnx.path.with_file_name(name), path.with_file_name(name));
        refuse_read(onnx, &to)?;
        let folder = to.parent().map_or(Ok(()), fs::create_dir_all);
        let copied = folder.and_then(|()| fs::copy(&from, &to));
        let synced = copied.and_then(|_| File::open(&to)?.sync_all());
        synced.map_err(|source| Error::Io { path: to, source })?;
    }
    Ok(())
}

/// Writes the file beside the model where there is one, then the model.
pub(super) fn write(
    onnx: &Onnx,
    plan: &Plan<'_>,
    values: &dyn Source,
    built: &Built<'_>,
    path: &Path,
) -> Result<()> {
    let mut maker = Maker {
        onnx,
        plan,
        values,
        last: None,
    };
    if let Some((name, outside)) = &built.outside {
        let path = path.with_file_name(name);
        let mut file = Output::create(onnx, &path)?;
        for (offset, id) in outside {
            file.fill(*offset)?;
            maker.make(built.parts[*id], &mut |bytes| file.write(bytes))?;
        }
        file.finish()?;
    }
    let mut file = Output::create(onnx, path)?;
    built.message.write(&mut |piece| match piece {
        Piece::Bytes(bytes) => file.write(bytes),
        Piece::Part(id) => maker.make(built.parts[id], &mut |bytes| file.write(bytes)),
    })?;
    file.finish()
}

/// Refuses to write upon a file that is mapped.
fn refuse_read(onnx: &Onnx, path: &Path) -> Result<()> {
    let Ok(target) = path.canonicalize() else {
        return Ok(());
    };
    let names = onnx
        .index
        .files
        .names()
        .map(|name| onnx.path.with_file_name(name));
    let mut read = std::iter::once(onnx.path.clone()).chain(names);
    match read.any(|read| read.canonicalize().is_ok_and(|read| read == target)) {
        true => {
            let expected = "another file than those that are read; a Draft gives it the same name";
            Err(Error::invalid("the target", path.display(), expected))
        }
        false => Ok(()),
    }
}

/// A file that is written from its beginning to its end.
struct Output<'a> {
    path: &'a Path,
    to: BufWriter<File>,
    length: u64,
}

impl<'a> Output<'a> {
    fn create(onnx: &Onnx, path: &'a Path) -> Result<Self> {
        refuse_read(onnx, path)?;
        let file = File::create(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        let to = BufWriter::with_capacity(1 << 20, file);
        Ok(Output {
            path,
            to,
            length: 0,
        })
    }

    fn io(&self, source: io::Error) -> Error {
        let path = self.path.to_owned();
        Error::Io { path, source }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.length += bytes.len() as u64;
        self.to.write_all(bytes).map_err(|e| self.io(e))
    }

    /// Writes zeros up to `offset`.
    fn fill(&mut self, offset: u64) -> Result<()> {
        let zeros = io::Read::take(io::repeat(0), offset.saturating_sub(self.length));
        let written = io::copy(&mut { zeros }, &mut self.to).map_err(|e| self.io(e))?;
        self.length += written;
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.to.flush().map_err(|e| self.io(e))?;
        self.to.get_ref().sync_all().map_err(|e| self.io(e))
    }
}

/// Makes the bytes of parts.
struct Maker<'a> {
    onnx: &'a Onnx,
    plan: &'a Plan<'a>,
    values: &'a dyn Source,
    /// The codes that were made last: their scales follow.
    last: Option<(usize, Codes)>,
}

impl<'a> Maker<'a> {
    fn make(&mut self, part: Part, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let copy =
            |source: &dyn Source, number: usize, write: &mut dyn FnMut(&[u8]) -> Result<()>| {
                let bytes = source.bytes(number)?;
                write(&bytes)?;
                let length = bytes.len();
                drop(bytes);
                source.release(number, 0..length);
                Ok(())
            };
        match part {
            Part::Stored(number) => copy(self.onnx, number, write),
            Part::Values(number) => copy(self.values, number, write),
            Part::Half(number) => self.half(number, write),
            Part::Codes(number) => {
                let (planned, layout) = self.planned(number)?;
                let codes = self.codes(number)?;
                match &planned.kind {
                    Kind::Product(_) => write(&pack::product(layout, planned.axes(), &codes.codes)),
                    _ if layout.block().is_some() => write(&pack::nibbles(&codes.codes)),
                    _ => {
                        let bytes: Vec<u8> = codes.codes.iter().map(|code| *code as u8).collect();
                        write(&bytes)
                    }
                }
            }
            Part::Scales(number) => {
                let (planned, layout) = self.planned(number)?;
                let codes = self.codes(number)?;
                let bytes = match &planned.kind {
                    Kind::Product(_) => pack::product_scales(layout, planned.axes(), &codes.scales),
                    _ => codes
                        .scales
                        .iter()
                        .flat_map(|scale| scale.to_le_bytes())
                        .collect(),
                };
                self.last = None;
                write(&bytes)
            }
        }
    }

    fn planned(&self, number: usize) -> Result<(&'a Planned<'a>, &'a Layout)> {
        let planned = self.plan.changes.get(&number);
        let found = planned.and_then(|planned| Some((planned, planned.layout()?)));
        found.ok_or_else(|| Error::Other("a tensor that stays has no codes".into()))
    }

    /// The codes of a tensor.
    fn codes(&mut self, number: usize) -> Result<&Codes> {
        let is_known = matches!(&self.last, Some((last, _)) if *last == number);
        if !is_known {
            // Before others are made, so that no two are in memory.
            self.last = None;
            let (planned, layout) = self.planned(number)?;
            let name = &self.onnx.index.tensors[number].name;
            let values = self.widened(number)?;
            let weight = Weight {
                name,
                values: &values,
                axes: planned.axes(),
                layout,
            };
            let codes = planned.quantizer().quantize(&weight)?;
            layout.check(name, &codes)?;
            self.last = Some((number, codes));
        }
        let codes = self.last.as_ref().map(|(_, codes)| codes);
        codes.ok_or_else(|| Error::Other("no codes were made".into()))
    }

    /// The values of a tensor in half precision.
    fn half(&self, number: usize, write: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let info = &self.values.tensors()[number];
        let mut halves = Vec::new();
        let widened = self.widened(number)?;
        for piece in widened.chunks(PIECE) {
            halves.clear();
            values::narrow_into(Dtype::F16, &info.name, piece, &mut halves)?;
            write(&halves)?;
        }
        Ok(())
    }

    /// The values of a tensor.
    fn widened(&self, number: usize) -> Result<Vec<f32>> {
        let info = &self.values.tensors()[number];
        let bytes = self.values.bytes(number)?;
        let mut values = vec![0.0; info.values()];
        values::widen_into(info.dtype, &info.name, &bytes, &mut values)?;
        let length = bytes.len();
        drop(bytes);
        self.values.release(number, 0..length);
        Ok(values)
    }
}
