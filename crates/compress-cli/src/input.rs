//! A checkpoint, and how each of its tensors goes into another file.

use std::path::Path;

use compress_io::metadata::Metadata;
use compress_io::stream::RowOrder;
use compress_io::{Checkpoint, Plan, Source, TensorInfo};

use crate::failure::Done;

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
    pub(crate) order: Option<RowOrder<'static>>,
}

impl Input {
    /// Opens a checkpoint.
    pub(crate) fn open(path: &Path) -> Done<Self> {
        let checkpoint = Checkpoint::open(path)?;
        let reads = checkpoint.tensors().iter().enumerate();
        let reads = reads.map(|(from, info)| Read {
            from,
            info: info.clone(),
            order: None,
        });
        Ok(Input {
            reads: reads.collect(),
            metadata: checkpoint.metadata().clone(),
            checkpoint,
        })
    }

    /// The name that the checkpoint itself has for a tensor.
    pub(crate) fn stored_name(&self, read: &Read) -> &str {
        &self.checkpoint.tensors()[read.from].name
    }

    /// A file with these tensors, and the metadata of this one.
    pub(crate) fn plan(&self, tensors: Vec<TensorInfo>) -> Plan {
        let metadata = self.metadata.clone();
        Plan { tensors, metadata }
    }

    /// What is known of each tensor.
    pub(crate) fn tensors(&self) -> Vec<TensorInfo> {
        self.reads.iter().map(|read| read.info.clone()).collect()
    }
}
