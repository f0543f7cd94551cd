//! Tensors as files of other formats have them: a label of the type, and bytes.

use compress_core::Result;

use super::entry::{read_text, write_text};
use crate::coding::elements::{self, Layout};
use crate::coding::reader::Reader;

/// A tensor as another format has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elements {
    /// The type of its elements, as whoever wrote it calls that.
    pub label: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The bytes of a tensor in a container.
pub(super) fn write(label: &str, layout: &Layout, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut to = Vec::new();
    write_text(&mut to, label);
    elements::write(&mut to, layout, bytes)?;
    Ok(to)
}

/// Reads what [`write`] wrote.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Elements> {
    let label = read_label(reader)?;
    let bytes = elements::read(reader)?;
    Ok(Elements { label, bytes })
}

/// Reads the label alone.
pub(super) fn read_label(reader: &mut Reader<'_>) -> Result<String> {
    read_text(reader, "the type of elements")
}
