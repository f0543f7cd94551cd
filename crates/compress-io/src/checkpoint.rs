//! A checkpoint of any format, as algorithms and tools see it.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use compress_core::parameters::{Change, Parameters, See};
use compress_core::tensor::{Role, TensorMut, TensorRef};
use compress_core::{Error, Result};

use crate::dtype::{Dtype, TensorInfo};
use crate::edits::Edits;
use crate::formats::Format;
use crate::hugging_face;
use crate::metadata::Metadata;
use crate::source::Source;
use crate::values;

/// A checkpoint, open for reading. Tensors are read one by one, when they are asked for.
///
/// As [`Parameters`] it lends its tensors of real numbers, widened to f32, one at a time. Changed
/// ones are kept in a temporary file, in the type that they had; those in blocks or in 8 bits
/// become f32. The checkpoint itself never changes: to store it, stream it into a new file.
///
/// A tensor with at least two axes is a weight, one whose name ends with `bias` a bias.
#[derive(Debug)]
pub struct Checkpoint {
    format: &'static Format,
    path: PathBuf,
    source: Box<dyn Source>,
    tensors: Vec<TensorInfo>,
    edits: Edits,
}

impl Checkpoint {
    /// Opens a file of any format in [`FORMATS`](crate::FORMATS). A folder is the checkpoint that
    /// Hugging Face's libraries would find in it: `model.safetensors`, else
    /// `model.safetensors.index.json`, else the only `*.safetensors`.
    ///
    /// # Errors
    /// Where it cannot be read, is of no known format or breaks a rule of its own.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let path = match path.is_dir() {
            true => Cow::Owned(hugging_face::weights(path)?),
            false => Cow::Borrowed(path),
        };
        Self::open_as(Format::of(&path)?, &path)
    }

    /// Opens a file of a format.
    ///
    /// # Errors
    /// Where it cannot be read or breaks a rule of the format.
    pub fn open_as(format: &'static Format, path: &Path) -> Result<Self> {
        let source = format.open(path)?;
        let tensors = source.tensors().to_vec();
        Ok(Checkpoint {
            format,
            path: path.to_owned(),
            edits: Edits::new(tensors.len()),
            source,
            tensors,
        })
    }

    /// The files that it is made of: the one that was opened, its shards, its external data.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.path.clone()];
        files.extend(self.source.more_files());
        files
    }

    /// The format of the file.
    pub fn format(&self) -> &'static Format {
        self.format
    }

    /// Adds a tensor that the file lacks. Returns its position.
    pub(crate) fn add(&mut self, info: TensorInfo, bytes: &[u8]) -> Result<usize> {
        let index = self.tensors.len();
        self.tensors.push(info);
        self.edits.add(&self.tensors[index].name, bytes)?;
        Ok(index)
    }

    /// The position of a tensor.
    ///
    /// # Errors
    /// [`Error::UnknownTensor`], which names all.
    pub fn position(&self, name: &str) -> Result<usize> {
        let found = self.tensors.iter().position(|info| info.name == name);
        found.ok_or_else(|| Error::UnknownTensor {
            name: name.to_owned(),
            known: known(&self.tensors),
        })
    }

    /// The values of tensor number `index`, widened to f32.
    ///
    /// # Errors
    /// Where it stands for no real numbers, or cannot be read. Names the tensor.
    pub fn values(&self, index: usize) -> Result<Vec<f32>> {
        let info = &self.tensors[index];
        let bytes = self.bytes(index)?;
        // As many as the bytes make, so that no file can ask for more.
        let mut values = vec![0.0; info.values()];
        values::widen_into(info.dtype, &info.name, &bytes, &mut values)?;
        let length = bytes.len();
        drop(bytes);
        self.release(index, 0..length);
        Ok(values)
    }
}

/// The names of tensors, the first of many.
fn known(tensors: &[TensorInfo]) -> String {
    const SHOWN: usize = 20;
    let names: Vec<&str> = tensors
        .iter()
        .map(|t| t.name.as_str())
        .take(SHOWN)
        .collect();
    let more = tensors.len().saturating_sub(SHOWN);
    match more {
        0 => names.join(", "),
        _ => format!("{} and {more} more", names.join(", ")),
    }
}

/// What a tensor is, as far as its name and shape say.
pub fn role(info: &TensorInfo) -> Role {
    match info.shape.len() {
        0 | 1 if info.name.ends_with("bias") => Role::Bias,
        0 | 1 => Role::Other,
        _ => Role::Weight,
    }
}

impl Source for Checkpoint {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn metadata(&self) -> &Metadata {
        self.source.metadata()
    }

    fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        match self.edits.read(index, &self.tensors[index].name)? {
            Some(edited) => Ok(Cow::Owned(edited)),
            None => self.source.bytes(index),
        }
    }

    fn stored(&self, index: usize) -> Result<(Dtype, u64)> {
        let info = &self.tensors[index];
        match self.edits.has(index) {
            true => Ok((info.dtype, info.bytes()?)),
            false => self.source.stored(index),
        }
    }

    fn place(&self, index: usize) -> Option<Range<u64>> {
        match self.edits.has(index) {
            true => None,
            false => self.source.place(index),
        }
    }

    fn release(&self, index: usize, bytes: Range<usize>) {
        if !self.edits.has(index) {
            self.source.release(index, bytes);
        }
    }
}

impl Parameters for Checkpoint {
    fn visit(&self, see: &mut See<'_>) -> Result<()> {
        for (index, info) in self.tensors.iter().enumerate() {
            if !info.dtype.is_float() {
                continue;
            }
            let values = self.values(index)?;
            see(TensorRef {
                name: &info.name,
                role: role(info),
                shape: &info.shape,
                values: &values,
            })?;
        }
        Ok(())
    }

    fn visit_mut(&mut self, change: &mut Change<'_>) -> Result<()> {
        for index in 0..self.tensors.len() {
            if !self.tensors[index].dtype.is_float() {
                continue;
            }
            let before = self.values(index)?;
            let mut values = before.clone();
            let info = &mut self.tensors[index];
            change(TensorMut {
                name: &info.name,
                role: role(info),
                shape: &info.shape,
                values: &mut values,
            })?;
            let same = before
                .iter()
                .zip(&values)
                .all(|(a, b)| a.to_bits() == b.to_bits());
            if same {
                continue;
            }
            let dtype = match info.dtype {
                Dtype::F16 | Dtype::BF16 | Dtype::F64 => info.dtype,
                _ => Dtype::F32,
            };
            let mut bytes = Vec::new();
            values::narrow_into(dtype, &info.name, &values, &mut bytes)?;
            if dtype == Dtype::F64 {
                // f32 holds less: what was not changed keeps all of its digits.
                let stored = self.bytes(index)?.into_owned();
                let changed = before
                    .iter()
                    .zip(&values)
                    .map(|(a, b)| a.to_bits() != b.to_bits());
                let places = bytes.as_chunks_mut::<8>().0.iter_mut();
                let places = places.zip(stored.as_chunks::<8>().0).zip(changed);
                for ((to, from), _) in places.filter(|(_, changed)| !changed) {
                    *to = *from;
                }
            }
            let info = &mut self.tensors[index];
            self.edits.write(index, &info.name, &bytes)?;
            info.dtype = dtype;
        }
        Ok(())
    }
}
