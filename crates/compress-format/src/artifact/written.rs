//! The bytes of a file, before they are on disk.

use crate::coding::meter::Part;
use crate::tensors::StoredTensor;

/// The bytes of a file, and how its tensors are stored in them.
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    pub(super) stored: Vec<StoredTensor>,
    /// What the bytes are spent on, for a file that is one stream.
    pub(super) parts: Option<Vec<(Part, f64)>>,
}
