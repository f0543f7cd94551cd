//! A model written again, with other values or with weights in fewer bits.

mod build;
mod change;
mod emit;
mod pack;
mod plan;

use std::collections::BTreeMap;
use std::path::Path;

use compress_core::{Result, file};

use super::model::Onnx;
use super::names::Names;
use crate::source::Source;
use plan::Plan;

pub use change::{Change, Form, Receiver};

/// A model that is to be written again. All that can be refused before values are read has been
/// accepted.
///
/// What is not touched is written byte for byte. Weights in fewer bits keep the name that nodes know
/// them by: it becomes the output of a node in front of them. Where it was an input of the graph too,
/// it is one no longer.
///
/// ```no_run
/// use compress_io::onnx::{Change, Form, Onnx, Receiver, Rewrite};
/// use compress_io::{Checkpoint, Draft, Source};
///
/// let model = Onnx::open("model.onnx")?;
/// // The same tensors, as an algorithm may have changed them.
/// let values = Checkpoint::open("model.onnx")?;
/// let mut changes = Vec::new();
/// for (tensor, uses) in model.uses()?.iter().enumerate() {
///     if uses.axes().is_some() {
///         changes.push(Change::new(tensor, Form::Int8));
///     }
/// }
/// let draft = Draft::new("small.onnx")?;
/// Rewrite::new(&model, &changes, Receiver::OnnxRuntime)?.write(&values, draft.path())?;
/// draft.publish()?;
/// # Ok::<(), compress_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Rewrite<'a> {
    model: &'a Onnx,
    plan: Plan<'a>,
    inline: u64,
}

/// How many bytes a rewritten model has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The model, and the file beside it.
    pub files: u64,
    /// Of each tensor that changes, by its number.
    pub tensors: BTreeMap<usize, TensorSize>,
}

/// How many bytes a tensor takes that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorSize {
    /// Its new values: halves, or codes and scales.
    pub values: u64,
    /// By how much the files become longer, nodes included and the old values taken off. What all
    /// changed tensors need together, such as later operators, is not in it.
    pub change: i64,
}

/// What protobuf's libraries read of a file.
const INLINE: u64 = i32::MAX as u64;

impl<'a> Rewrite<'a> {
    /// Checks what is to become of some tensors of a model; all others stay as they are.
    ///
    /// # Errors
    /// Names the tensor or the node, and the reason: where the type of a tensor has no such form,
    /// no node says which axis is the outputs, the receiver does not run the form, or a node means
    /// something else in the version of the operators that the form needs.
    pub fn new(model: &'a Onnx, changes: &[Change<'a>], receiver: Receiver) -> Result<Self> {
        let plan = Plan::of(model, changes, receiver);
        Ok(Rewrite {
            model,
            plan: plan.map_err(|error| file::at(&model.path, error))?,
            inline: INLINE,
        })
    }

    /// The same, with values in a file beside the model where it has more bytes than this. As it is,
    /// that is what protobuf's libraries can read, 2 GiB.
    pub fn inline(self, inline: u64) -> Self {
        Rewrite { inline, ..self }
    }

    /// Writes the model, and beside it the file of its external data where it has some, whose name is
    /// `NAME.onnx.data`; where nothing changes they keep their names. What is there is replaced: see
    /// [`Draft`](crate::Draft). One tensor is in memory at a time.
    ///
    /// `values` has the tensors of the model, with the values that they are to have: the model
    /// itself, or a [`Checkpoint`](crate::Checkpoint) of the same file that was changed.
    ///
    /// # Errors
    /// Where a tensor of `values` is another than the model's, a value has no such form, codes are
    /// not as they should be, a target is a file that is being read, or it cannot be written.
    pub fn write(&self, values: &dyn Source, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.plan.check_values(self.model, values)?;
        if self.plan.changes.is_empty() {
            emit::copy_files(self.model, path)?;
        }
        let built = self.build(path)?;
        emit::write(self.model, &self.plan, values, &built, path)
    }

    /// How many bytes [`write`](Self::write) will write, where it writes to `path`.
    ///
    /// # Errors
    /// Where a node is none. Names the byte.
    pub fn sizes(&self, path: impl AsRef<Path>) -> Result<Sizes> {
        let built = self.build(path.as_ref())?;
        let copied = match self.plan.changes.is_empty() {
            true => self.model.index.files.bytes(),
            false => 0,
        };
        let of = |(&number, spent): (&usize, &build::Spent)| {
            let (values, change) = (spent.values, spent.change);
            (number, TensorSize { values, change })
        };
        Ok(Sizes {
            files: built.message.length() + built.end + copied,
            tensors: built.spent.iter().map(of).collect(),
        })
    }

    /// The new model as it is to stand at `path`.
    fn build(&self, path: &Path) -> Result<build::Built<'a>> {
        let names = Names::of(&self.model.graph()?)?;
        let build = |file: Option<&str>| build::model(self.model, &self.plan, names.clone(), file);
        let has_files = self.model.index.files.names().next().is_some();
        let built = build(None)?;
        if built.message.length() > self.inline || has_files && !self.plan.changes.is_empty() {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(".data");
            return build(Some(&name.to_string_lossy()));
        }
        Ok(built)
    }
}
