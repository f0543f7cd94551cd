//! A model, open for reading.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use compress_core::{Result, file};

use super::index::{Entry, Index, Place};
use super::proto::{self, model};
use super::tensor;
use super::uses::{self, Uses};
use super::wire::Message;
use crate::dtype::TensorInfo;
use crate::map::Map;
use crate::metadata::{self, Metadata, Value};
use crate::source::Source;

/// A file, with those that hold values of its tensors.
///
/// A tensor within a graph of a node is named by the path to it: the first output of the node, its
/// attribute, the name; as in `y/then_branch/weight`. A long path is the byte at which the graph begins. That of a `Constant` node has the name of the
/// node's output.
#[derive(Debug)]
pub struct Onnx {
    pub(super) path: PathBuf,
    map: Map,
    pub(super) index: Index,
    metadata: Metadata,
}

impl Onnx {
    /// Opens a file, and those of its external data, which must lie in its folder.
    ///
    /// # Errors
    /// Where a file cannot be read or breaks a rule of the format; names the file, and the byte or
    /// the tensor.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = Map::open(path)?;
        let read = || {
            let message = Message::parse(map.bytes(), 0)?;
            Ok((Index::of(&message, path)?, metadata(&message)?))
        };
        let (index, metadata) = read().map_err(|error| file::at(path, error))?;
        let path = path.to_owned();
        Ok(Onnx {
            path,
            map,
            index,
            metadata,
        })
    }

    /// How the graph uses each tensor, in their order.
    ///
    /// # Errors
    /// Where a node is none. Names the byte.
    pub fn uses(&self) -> Result<Vec<Uses>> {
        let read = || uses::find(&self.graph()?, &self.index);
        read().map_err(|error| file::at(&self.path, error))
    }

    pub(super) fn message(&self) -> Result<Message<'_>> {
        Message::parse(self.map.bytes(), 0)
    }

    /// The message of a tensor.
    pub(super) fn tensor(&self, entry: &Entry) -> Result<Message<'_>> {
        let stored = &self.map.bytes()[entry.message.clone()];
        Message::parse(stored, entry.message.start)
    }

    pub(super) fn graph(&self) -> Result<Message<'_>> {
        proto::graph_of(&self.message()?)
    }
}

/// What a model says of itself.
fn metadata(message: &Message<'_>) -> Result<Metadata> {
    let mut metadata = Metadata::new();
    if let Some(version) = message.varint(model::IR_VERSION) {
        metadata.push(("ir_version".into(), Value::U64(version)));
    }
    let producer = message.text(model::PRODUCER, "the producer")?;
    if !producer.is_empty() {
        metadata.push(("producer_name".into(), producer.into()));
    }
    for import in message.messages(model::OPSET) {
        let import = import?;
        let domain = match import.text(proto::opset::DOMAIN, "a domain")? {
            "" => "ai.onnx",
            domain => domain,
        };
        let version = import.varint(proto::opset::VERSION).unwrap_or(0);
        metadata.push((format!("opset.{domain}"), Value::U64(version)));
    }
    for pair in message.messages(model::METADATA) {
        let pair = pair?;
        let mut key = pair.text(proto::entry::KEY, "a key")?.to_owned();
        // A name of the model's own fields, or one that stands twice.
        while metadata::get(&metadata, &key).is_some() {
            key.insert_str(0, "metadata_props.");
        }
        metadata.push((key, pair.text(proto::entry::VALUE, "a value")?.into()));
    }
    Ok(metadata)
}

impl Source for Onnx {
    fn tensors(&self) -> &[TensorInfo] {
        &self.index.tensors
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>> {
        let info = &self.index.tensors[index];
        let entry = &self.index.entries[index];
        match &entry.place {
            Place::Here(range) => Ok(Cow::Borrowed(&self.map.bytes()[range.clone()])),
            Place::File(number, range) => {
                let file = self.index.files.get(*number);
                Ok(Cow::Borrowed(&file.bytes()[range.clone()]))
            }
            Place::Typed => tensor::typed_bytes(&self.tensor(entry)?, info).map(Cow::Owned),
        }
    }

    fn place(&self, index: usize) -> Option<Range<u64>> {
        match &self.index.entries[index].place {
            Place::Here(range) => Some(range.start as u64..range.end as u64),
            Place::File(..) | Place::Typed => None,
        }
    }

    fn more_files(&self) -> Vec<PathBuf> {
        let names = self.index.files.names();
        names.map(|name| self.path.with_file_name(name)).collect()
    }

    fn release(&self, index: usize, bytes: Range<usize>) {
        let within = |range: &Range<usize>| range.start + bytes.start..range.start + bytes.end;
        match &self.index.entries[index].place {
            Place::Here(range) => self.map.release(within(range)),
            Place::File(number, range) => self.index.files.get(*number).release(within(range)),
            Place::Typed => {}
        }
    }
}
