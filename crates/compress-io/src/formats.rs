//! The formats by name and ending: one line each.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use compress_core::{Error, Result};

use crate::dtype::Dtype;
use crate::metadata::Metadata;
use crate::source::{Plan, Sink, Source};
use crate::{gguf, npz, onnx, safetensors};

/// A format of files.
#[derive(Debug)]
pub struct Format {
    /// Its name, as `--to` takes it.
    pub name: &'static str,
    /// How names of its files end; the first is the usual one.
    pub endings: &'static [&'static str],
    detect: fn(&[u8]) -> bool,
    open: fn(&Path) -> Result<Box<dyn Source>>,
    arrange: fn(&mut Plan),
    header: fn(&Plan) -> Result<u64>,
    holds: fn(Dtype) -> bool,
    /// What tensors are aligned to, by the metadata.
    alignment: fn(&Metadata) -> u64,
    create: fn(&Path, &Plan) -> Result<Box<dyn Sink>>,
}

/// The size of a shard unless another is asked for, in bytes: that of Hugging Face's libraries.
const SHARD: u64 = 5_000_000_000;

/// All formats. Of two that fit, the first is taken.
pub static FORMATS: &[Format] = &[
    Format {
        name: "gguf",
        endings: &[".gguf"],
        detect: gguf::detect,
        open: |path| Ok(Box::new(gguf::Gguf::open(path)?)),
        arrange: |_| {},
        header: gguf::header_bytes,
        holds: gguf::holds,
        alignment: gguf::alignment,
        create: gguf::create,
    },
    Format {
        name: "safetensors-sharded",
        endings: &[".safetensors.index.json"],
        detect: |_| false,
        open: |path| Ok(Box::new(safetensors::Shards::open(path)?)),
        arrange: safetensors::arrange,
        header: safetensors::header_bytes,
        holds: safetensors::holds,
        alignment: |_| 1,
        create: |path, plan| safetensors::create_shards(path, plan, SHARD),
    },
    Format {
        name: "safetensors",
        endings: &[".safetensors"],
        detect: safetensors::detect,
        open: |path| Ok(Box::new(safetensors::Safetensors::open(path)?)),
        arrange: safetensors::arrange,
        header: safetensors::header_bytes,
        holds: safetensors::holds,
        alignment: |_| 1,
        create: safetensors::create,
    },
    Format {
        name: "npz",
        endings: &[".npz"],
        detect: |_| false,
        open: |path| Ok(Box::new(npz::Npz::open(path)?)),
        arrange: |_| {},
        header: npz::header_bytes,
        holds: npz::holds,
        alignment: |_| 1,
        create: npz::create,
    },
    Format {
        name: "npy",
        endings: &[".npy"],
        detect: npz::detect_array,
        open: |path| Ok(Box::new(npz::Npy::open(path)?)),
        arrange: |_| {},
        header: npz::array_header_bytes,
        holds: npz::holds,
        alignment: |_| 1,
        create: npz::create_array,
    },
    Format {
        name: "onnx",
        endings: &[".onnx"],
        detect: onnx::detect,
        open: |path| Ok(Box::new(onnx::Onnx::open(path)?)),
        arrange: |_| {},
        header: onnx::header_bytes,
        holds: |_| false,
        alignment: |_| 1,
        create: onnx::create,
    },
];

/// ONNX as [`onnx::Weights`] has it, for [`Checkpoint::open_as`](crate::Checkpoint::open_as): quantized
/// weights have the names and the values of what they stand for.
pub static ONNX_WEIGHTS: Format = Format::reading("onnx", &[".onnx"], onnx::detect, |path| {
    Ok(Box::new(onnx::Weights::open(path)?))
});

impl Format {
    /// A format that is only read, beside [`FORMATS`]. `detect` is given the first 64 bytes of a file.
    pub const fn reading(
        name: &'static str,
        endings: &'static [&'static str],
        detect: fn(&[u8]) -> bool,
        open: fn(&Path) -> Result<Box<dyn Source>>,
    ) -> Format {
        Format {
            name,
            endings,
            detect,
            open,
            arrange: |_| {},
            header: |_| Err(read_only()),
            holds: |_| false,
            alignment: |_| 1,
            create: |_, _| Err(read_only()),
        }
    }

    /// Whether the first bytes of a file are those of the format; not where it cannot be read.
    pub fn fits(&self, path: &Path) -> bool {
        start_of(path).is_ok_and(|start| (self.detect)(&start))
    }

    /// The format of this name.
    ///
    /// # Errors
    /// [`Error::UnknownName`], which names all.
    pub fn by_name(name: &str) -> Result<&'static Format> {
        let found = FORMATS.iter().find(|format| format.name == name);
        found.ok_or_else(|| Error::UnknownName {
            what: "format",
            name: name.to_owned(),
            known: names(),
        })
    }

    /// The format that a file will have by the ending of its name.
    ///
    /// # Errors
    /// [`Error::UnknownName`], which names all endings.
    pub fn by_ending(path: &Path) -> Result<&'static Format> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ends = |format: &&Format| format.endings.iter().any(|ending| name.ends_with(ending));
        FORMATS.iter().find(ends).ok_or_else(|| Error::UnknownName {
            what: "ending of a file",
            name: name.clone().into_owned(),
            known: endings(),
        })
    }

    /// The format that a file has: by its first bytes, else by its ending.
    ///
    /// # Errors
    /// Where it cannot be read, or is of no known format.
    pub fn of(path: &Path) -> Result<&'static Format> {
        let start = start_of(path)?;
        match FORMATS.iter().find(|format| (format.detect)(&start)) {
            Some(format) => Ok(format),
            None => Self::by_ending(path),
        }
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// Where it cannot be read or breaks a rule of the format.
    pub fn open(&self, path: &Path) -> Result<Box<dyn Source>> {
        (self.open)(path)
    }

    /// Puts the tensors of a plan in an order that suits the format.
    pub fn arrange(&self, plan: &mut Plan) {
        (self.arrange)(plan);
    }

    /// The bytes of the file of a plan; for several files, about so many.
    ///
    /// # Errors
    /// Where the format cannot hold what the plan says, which is named.
    pub fn size(&self, plan: &Plan) -> Result<u64> {
        let mut bytes = (self.header)(plan)?;
        for info in &plan.tensors {
            bytes = bytes.saturating_add(self.padded(&plan.metadata, info.bytes()?));
        }
        Ok(bytes)
    }

    /// What a tensor of `bytes` bytes takes in a file with this metadata, with the padding behind it.
    pub fn padded(&self, metadata: &Metadata, bytes: u64) -> u64 {
        let padded = bytes.checked_next_multiple_of((self.alignment)(metadata));
        padded.unwrap_or(u64::MAX)
    }

    /// Whether a file of this format can have tensors of a type.
    pub fn holds(&self, dtype: Dtype) -> bool {
        (self.holds)(dtype)
    }

    /// Begins a file. What is there is replaced: see [`Draft`](crate::Draft).
    ///
    /// # Errors
    /// Where the format cannot hold what the plan says, which is named, or the file cannot be
    /// written.
    pub fn create(&self, path: &Path, plan: &Plan) -> Result<Box<dyn Sink>> {
        (self.create)(path, plan)
    }
}

/// The first bytes of a file.
fn start_of(path: &Path) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut start));
    match read {
        Ok(_) => Ok(start),
        Err(source) => Err(Error::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

fn read_only() -> Error {
    Error::invalid("the format", "one that is only read", names())
}

fn names() -> String {
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    names.join(", ")
}

fn endings() -> String {
    let endings: Vec<&str> = FORMATS.iter().flat_map(|f| f.endings).copied().collect();
    endings.join(", ")
}
