//! Files of others in a `.cmp` file, byte for byte.
//!
//! The container holds the tensors of each file in the order of their places, then the rest of the
//! file, cut into pieces. Its metadata says under [`KEY`] how the files are made of them.

mod behind;
mod layout;
mod read;
mod source;
mod write;

use serde::{Deserialize, Serialize};

pub(crate) use behind::Behind;
pub(crate) use layout::dtype;
pub(crate) use read::Packed;
pub(crate) use source::open;
pub(crate) use write::pack;

/// The key of the metadata that the list of files stands under, as JSON.
const KEY: &str = "files";

/// The label of pieces of what is beside the tensors.
const REST: &str = "bytes";

/// A file, whose tensors follow those of the files before it in the container.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct FileLine {
    /// Its name, without a folder.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// CRC-32 of the whole file.
    crc32: u32,
    /// How many tensors of the container are tensors of the file.
    pub(crate) tensors: usize,
    /// How many behind them are pieces of the rest.
    rest: usize,
    /// Where bytes of the rest stand: before which tensor, by number, and how many; behind the last
    /// one under the number of tensors.
    gaps: Vec<(usize, u64)>,
}
