//! ONNX: a graph as protobuf, whose weights are initializers and the tensors of `Constant` nodes.
//!
//! - [`Onnx`] opens a file. Its tensors are those of all graphs, also of those within `If`, `Loop`
//!   and `Scan`. Nothing of the rest is lost when it is written again.
//! - [`Onnx::uses`] says how the graph uses each tensor: which axis is the outputs, which the inputs.
//! - [`Weights`] has quantized weights under the names of what they stand for, with their values.
//!
//! Tensors of texts, sparse ones, lists in attributes, and what is in functions or information for
//! training, stay as they are.
//!
//! # References
//! `docs/IR.md`, `docs/ExternalData.md` and `onnx/onnx.proto` in the repository `onnx/onnx`.

mod coded;
mod external;
mod index;
mod make;
mod model;
mod names;
mod opset;
mod proto;
mod quantize;
mod rewrite;
mod tensor;
mod uses;
mod weights;
mod wire;

use std::path::Path;

use compress_core::{Error, Result, file};

use crate::source::{Plan, Sink};

pub use model::Onnx;
pub use quantize::{Codes, Layout, Quantizer, RoundToNearest, Weight};
pub use rewrite::{Change, Form, Receiver, Rewrite, Sizes, TensorSize};
pub use uses::{Axes, Use, Uses};
pub use weights::Weights;

/// Whether a file that begins so is likely one: it has no magic, but writers put the version first,
/// and one of the model's fields behind it.
pub(crate) fn detect(start: &[u8]) -> bool {
    const NEXT: [u8; 7] = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42];
    matches!(start, [0x08, 1..=32, next, ..] if NEXT.contains(next))
}

/// Refuses: tensors alone make no graph.
///
/// # Errors
/// Always.
pub(crate) fn create(path: &Path, _: &Plan) -> Result<Box<dyn Sink>> {
    Err(file::at(path, no_graph()))
}

/// Refuses as [`create`] does.
///
/// # Errors
/// Always.
pub(crate) fn header_bytes(_: &Plan) -> Result<u64> {
    Err(no_graph())
}

fn no_graph() -> Error {
    let expected = "safetensors, GGUF or npz: ONNX is written from an ONNX file, by onnx::Rewrite";
    Error::invalid("the format of tensors alone", "onnx", expected)
}
