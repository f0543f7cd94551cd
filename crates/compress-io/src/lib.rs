//! Checkpoints of neural networks in the files that others use: safetensors, GGUF and numpy's npz.
//! They are read tensor by tensor and written as streams, so that a model of any size takes little
//! memory.
//!
//! - [`Checkpoint`] opens a file of any format, and lends its tensors to the algorithms.
//! - [`stream()`] writes tensors into another file, each copied or encoded anew.
//! - [`Importance`] says how much the columns of weights matter: llama.cpp's `imatrix`.
//! - [`hugging_face`] makes a GGUF file of a model's folder, and gives its tensors their names back.
//! - [`onnx`] reads the tensors of a graph, and writes it again with weights in fewer bits.
//! - [`Draft`] gives files their names when they are complete.
//!
//! Files are mapped into memory. While one is open, nobody may change or shorten it.
//!
//! ```
//! use compress_io::{Dtype, Format, Plan, TensorInfo};
//!
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("model.safetensors");
//! let plan = Plan {
//!     tensors: vec![TensorInfo::new("layers.0.weight", Dtype::F32, [2, 2])],
//!     metadata: vec![],
//! };
//! let mut file = Format::by_ending(&path)?.create(&path, &plan)?;
//! for value in [1.0_f32, -2.0, 0.0, 0.5] {
//!     file.write(&value.to_le_bytes())?;
//! }
//! file.finish()?;
//!
//! // Any algorithm of the workspace takes it, since it has `Parameters`.
//! let checkpoint = compress_io::Checkpoint::open(&path)?;
//! let weight = compress_core::parameters::values(&checkpoint, "layers.0.weight")?;
//! assert_eq!(weight, [1.0, -2.0, 0.0, 0.5]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

mod checkpoint;
mod cursor;
mod draft;
mod dtype;
mod edits;
mod formats;
pub mod gguf;
pub mod hugging_face;
mod importance;
mod map;
pub mod metadata;
pub mod npz;
pub mod onnx;
pub mod safetensors;
mod source;
pub mod stream;
mod stream_file;
pub mod values;

pub use checkpoint::{Checkpoint, role};
pub use draft::Draft;
pub use dtype::{Dtype, OpaqueBlock, TensorInfo};
pub use formats::{FORMATS, Format, ONNX_WEIGHTS};
pub use importance::{ColumnWeights, Importance};
pub use source::{Plan, Sink, Source};
pub use stream::{checksum, stream};
