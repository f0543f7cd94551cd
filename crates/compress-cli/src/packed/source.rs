//! A packed file as a checkpoint: the tensors of all its files.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Mutex;

use compress_core::{Error, Result};
use compress_io::metadata::{Metadata, Value};
use compress_io::{Checkpoint, Format, ONNX_WEIGHTS, Source, TensorInfo};

use super::{Packed, layout};

/// The format, for commands that read.
static PACKED: Format = Format::reading("cmp", &[".cmp"], is_packed, |path| {
    Ok(Box::new(PackedSource::open(path)?))
});

/// Opens a checkpoint of any format, or a packed one. Quantized weights of ONNX have their values.
pub(crate) fn open(path: &Path) -> Result<Checkpoint> {
    if path.is_dir() {
        return Checkpoint::open(path);
    }
    if PACKED.fits(path) {
        return Checkpoint::open_as(&PACKED, path);
    }
    let format = Format::of(path)?;
    match format.name {
        "onnx" => Checkpoint::open_as(&ONNX_WEIGHTS, path),
        _ => Checkpoint::open_as(format, path),
    }
}

fn is_packed(start: &[u8]) -> bool {
    start.starts_with(b"CMP\x03")
}

#[derive(Debug)]
struct PackedSource {
    packed: Mutex<Packed>,
    tensors: Vec<TensorInfo>,
    metadata: Metadata,
}

impl PackedSource {
    fn open(path: &Path) -> Result<Self> {
        let mut packed = Packed::open(path)?;
        let entries: Vec<_> = packed.tensors().cloned().collect();
        let mut tensors = Vec::new();
        for entry in entries {
            let dtype = layout::dtype(&packed.label(&entry.name)?)?;
            tensors.push(TensorInfo::new(entry.name, dtype, entry.shape));
        }
        let names: Vec<&str> = packed
            .files()
            .iter()
            .map(|line| line.name.as_str())
            .collect();
        let metadata = vec![("files".to_owned(), Value::Text(names.join(", ")))];
        Ok(PackedSource {
            packed: Mutex::new(packed),
            tensors,
            metadata,
        })
    }
}

impl Source for PackedSource {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        let info = &self.tensors[index];
        let packed = self.packed.lock();
        let mut packed =
            packed.map_err(|_| Error::Other("a thread that read has failed".into()))?;
        let bytes = packed.tensor(&info.name)?;
        let (found, expected) = (bytes.len() as u64, info.bytes()?);
        match found == expected {
            true => Ok(Cow::Owned(bytes)),
            false => {
                let what = format!("the number of bytes of {}", info.name);
                Err(Error::invalid(what, found, expected.to_string()))
            }
        }
    }
}
