//! A file of named tensors of any rank and coding, without any network: version 3 of `.cmp`.
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `CMP` and the version, 3 |
//! | some | the tensors, one after another |
//! | some | the directory: of each tensor its name, shape, kind, coding, length and checksum; the program; metadata |
//! | 4 | the length of the directory |
//! | 4 | CRC-32 of the directory, its length and the first 4 bytes |
//!
//! The directory stands at the end, so that tensors can be written one by one as they come, and is
//! read first, so that single tensors can be read without the others. A program says how tensors
//! make a model: today a chain of dense layers.
//!
//! Tensors of other formats can be kept byte for byte, as [`Elements`]: see [`Writer::elements`].
//!
//! ```
//! use std::io::Cursor;
//!
//! use compress_core::codec::{Grid, Granularity, QuantizedTensor, Tensor};
//! use compress_format::container::{Container, Writer};
//!
//! let shape = [16, 3, 3, 3];
//! let values: Vec<f32> = (0..432).map(|i| (i % 7) as f32 * 0.5).collect();
//! let float = Tensor::Float { name: "stem".into(), shape: shape.to_vec(), values };
//! let grid = Grid::Linear {
//!     bits: 8,
//!     granularity: Granularity::Channel,
//!     scales: (1..=16).map(|i| i as f32 * 0.01).collect(),
//!     zero_points: vec![],
//! };
//! let codes = (0..432).map(|i| i % 255 - 127);
//! let int8 = Tensor::Quantized(QuantizedTensor::new("conv", &shape, grid, codes)?);
//!
//! let mut writer = Writer::new(Vec::new())?;
//! writer.metadata("license", "MIT")?;
//! writer.tensor(&float)?;
//! writer.tensor(&int8)?;
//! let bytes = writer.finish()?;
//!
//! let mut container = Container::open(Cursor::new(&bytes))?;
//! assert_eq!(container.names().collect::<Vec<_>>(), ["stem", "conv"]);
//! assert_eq!(container.tensor("conv")?, int8);
//! assert_eq!(container.tensor("stem")?, float);
//! # Ok::<(), compress_core::Error>(())
//! ```

mod directory;
mod elements;
mod entry;
mod program;
mod reader;
mod repair;
#[cfg(test)]
mod tests;
mod trailer;
mod writer;

pub use crate::coding::elements::Layout;
pub use crate::coding::elements::parts::Part;
pub use elements::{ElementParts, Elements};
pub use entry::Entry;
pub use program::Program;
pub use reader::Container;
pub use writer::Writer;

pub(crate) use repair::repair_checksums;
pub(crate) use trailer::MAGIC;
