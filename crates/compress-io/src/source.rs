//! The contracts of files: one that is read, and one that is written.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use compress_core::Result;

use crate::dtype::{Dtype, TensorInfo};
use crate::metadata::Metadata;

/// A file of named tensors, or several that belong together, open for reading.
pub trait Source: fmt::Debug + Send + Sync {
    /// Its tensors, in the order of the file. Names are unique.
    fn tensors(&self) -> &[TensorInfo];

    /// What it says beside them.
    fn metadata(&self) -> &Metadata;

    /// The values of tensor number `index` as they are stored, row-major: [`TensorInfo::bytes`] of
    /// them.
    ///
    /// # Errors
    /// Where they cannot be read. Names the tensor.
    fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>>;

    /// The type in which tensor number `index` is stored, and how many bytes it takes. Where its values
    /// are decoded from codes, they are of another type.
    ///
    /// # Errors
    /// Those of [`TensorInfo::bytes`].
    fn stored(&self, index: usize) -> Result<(Dtype, u64)> {
        let info = &self.tensors()[index];
        Ok((info.dtype, info.bytes()?))
    }

    /// Where the bytes of tensor number `index` lie in the file that was opened. None where they are
    /// stored in another way, or in another file. Those of two tensors do not overlap.
    fn place(&self, index: usize) -> Option<Range<u64>> {
        let _ = index;
        None
    }

    /// The files that it reads beside the one that it was opened by.
    fn more_files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Says that these bytes of a tensor are not needed soon, so that their memory may be given
    /// back. Reading them again is allowed.
    fn release(&self, index: usize, bytes: Range<usize>) {
        let _ = (index, bytes);
    }
}

/// What a file is to hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Its tensors, in the order in which they are written.
    pub tensors: Vec<TensorInfo>,
    /// What it says beside them.
    pub metadata: Metadata,
}

/// A file that is being written: tensor by tensor in the order of its plan, each as a stream.
pub trait Sink: Send {
    /// Appends to the current tensor, which is the first of the plan that is not complete.
    ///
    /// # Errors
    /// Where there is more than the plan says, or it cannot be written.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// Completes the file. All is on disk when it returns.
    ///
    /// # Errors
    /// Where a tensor is incomplete, which is named, or the file cannot be written.
    fn finish(self: Box<Self>) -> Result<()>;
}
