//! A checkpoint, and how each of its tensors goes into another file.

use std::path::Path;

use compress_io::metadata::Metadata;
use compress_io::stream::{RowOrder, Step};
use compress_io::{Checkpoint, Dtype, Format, Plan, Source, TensorInfo, hugging_face};

use crate::errors::Side;
use crate::failure::{Done, usage};
use crate::packed;

/// A checkpoint that is read.
pub(crate) struct Input {
    pub(crate) checkpoint: Checkpoint,
    /// Its tensors, in the order in which they are written.
    pub(crate) reads: Vec<Read>,
    pub(crate) metadata: Metadata,
}

/// A tensor that is read.
pub(crate) struct Read {
    /// Its position in the checkpoint.
    pub(crate) from: usize,
    /// As the other file is to name it; its type as it is stored.
    pub(crate) info: TensorInfo,
    /// The type that it has in the other file, where nobody asks for another.
    pub(crate) usual: Dtype,
    pub(crate) order: Option<RowOrder<'static>>,
}

impl Input {
    /// Opens a checkpoint as it is.
    pub(crate) fn open(path: &Path) -> Done<Self> {
        Ok(Self::plain(packed::open(path)?))
    }

    /// Opens a checkpoint that is written in another format: with the names and the rows that
    /// language models have there. A folder of Hugging Face's becomes GGUF with its configuration
    /// and its tokenizer.
    pub(crate) fn open_for(path: &Path, format: &Format) -> Done<Self> {
        let to_gguf = format.name == "gguf";
        if path.is_dir() && to_gguf {
            let (checkpoint, plan, steps) = hugging_face::gguf_plan(path)?;
            return Ok(Self::mapped(checkpoint, plan.metadata, steps));
        }
        let checkpoint = packed::open(path)?;
        if checkpoint.format().name == "cmp" {
            let text = format!("{} is packed: unpack it first", path.display());
            return Err(usage(text));
        }
        match checkpoint.format().name == "gguf" && format.name.starts_with("safetensors") {
            true => Self::from_gguf(checkpoint),
            false => Ok(Self::plain(checkpoint)),
        }
    }

    /// Opens two checkpoints that are compared: where one alone is GGUF, with Hugging Face's names.
    /// What a packed file is compared with stays as it is stored, since the packed one does.
    pub(crate) fn open_both(a: &Path, b: &Path) -> Done<[Self; 2]> {
        let mut both = [packed::open(a)?, packed::open(b)?];
        if both
            .iter()
            .any(|checkpoint| checkpoint.format().name == "cmp")
        {
            for (checkpoint, path) in both.iter_mut().zip([a, b]) {
                if checkpoint.format().name == "onnx" {
                    *checkpoint = Checkpoint::open(path)?;
                }
            }
        }
        let is_gguf = both
            .each_ref()
            .map(|checkpoint| checkpoint.format().name == "gguf");
        let [a, b] = both;
        Ok(match is_gguf {
            [true, false] => [Self::from_gguf(a)?, Self::plain(b)],
            [false, true] => [Self::plain(a), Self::from_gguf(b)?],
            _ => [Self::plain(a), Self::plain(b)],
        })
    }

    pub(crate) fn plain(checkpoint: Checkpoint) -> Self {
        let reads = checkpoint.tensors().iter().enumerate();
        let reads = reads.map(|(from, info)| Read {
            from,
            info: info.clone(),
            usual: info.dtype,
            order: None,
        });
        Input {
            reads: reads.collect(),
            metadata: checkpoint.metadata().clone(),
            checkpoint,
        }
    }

    fn from_gguf(checkpoint: Checkpoint) -> Done<Self> {
        let (plan, steps) = hugging_face::from_gguf(&checkpoint).map_err(usage)?;
        Ok(Self::mapped(checkpoint, plan.metadata, steps))
    }

    fn mapped(checkpoint: Checkpoint, metadata: Metadata, steps: Vec<Step<'static>>) -> Self {
        let reads = steps.into_iter().map(|step| Read {
            from: step.from,
            usual: step.to.dtype,
            info: TensorInfo {
                dtype: checkpoint.tensors()[step.from].dtype,
                ..step.to
            },
            order: step.order,
        });
        Input {
            reads: reads.collect(),
            metadata,
            checkpoint,
        }
    }

    /// The name that the checkpoint itself has for a tensor.
    pub(crate) fn stored_name(&self, read: &Read) -> &str {
        &self.checkpoint.tensors()[read.from].name
    }

    /// A tensor of it, to be compared.
    pub(crate) fn side<'a>(&'a self, read: &'a Read) -> Side<'a> {
        Side {
            checkpoint: &self.checkpoint,
            index: read.from,
            order: read.order.as_ref(),
        }
    }

    /// A file with these tensors, and the metadata of this one.
    pub(crate) fn plan(&self, tensors: Vec<TensorInfo>) -> Plan {
        let metadata = self.metadata.clone();
        Plan { tensors, metadata }
    }

    /// What is known of each tensor, with the type that it is stored in.
    pub(crate) fn tensors(&self) -> Vec<TensorInfo> {
        self.reads.iter().map(|read| read.info.clone()).collect()
    }

    /// The same, with the type that it has in the other file where nobody asks for another.
    pub(crate) fn usual(&self) -> Vec<TensorInfo> {
        let with = |read: &Read| TensorInfo {
            dtype: read.usual,
            ..read.info.clone()
        };
        self.reads.iter().map(with).collect()
    }
}
