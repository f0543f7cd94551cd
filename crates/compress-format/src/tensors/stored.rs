//! What is reported of a tensor that was written.

/// How one tensor is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    /// The parameter's name.
    pub name: String,
    /// `dense`, `packed`, `sparse` or `entropy`; `solid` in a file that is one stream.
    pub coding: &'static str,
    /// The bytes that it takes in the file, with its header or its entry in the directory; rounded
    /// where it shares bytes with others.
    pub bytes: usize,
}
