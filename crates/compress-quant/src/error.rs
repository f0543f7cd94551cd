//! The errors of this crate that `compress-core` has no variant for.

/// The errors of this crate. The contracts of `compress-core` carry them in
/// [`compress_core::Error::Other`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A scheme was assigned to tensors, but none takes it: no tensor matches, or an earlier
    /// assignment took all that match.
    #[error("the scheme {scheme} for {target} takes no tensor; the tensors are {known}")]
    Unmatched {
        /// The name or role that the scheme was assigned to.
        target: String,
        /// The scheme's name.
        scheme: &'static str,
        /// The model's tensors, comma separated.
        known: String,
    },
    /// The model is not the one that was fitted to.
    #[error("{name} had shape {fitted:?} when it was fitted to, but has {found:?} now")]
    ModelChanged {
        /// The tensor.
        name: String,
        /// Its shape when it was fitted to.
        fitted: Vec<usize>,
        /// Its shape now.
        found: Vec<usize>,
    },
    /// State asked for between a forward pass and the end of its backward pass.
    #[error(
        "the model holds quantized weights, as it does from a forward pass to the end of its backward pass"
    )]
    Swapped,
}

impl From<Error> for compress_core::Error {
    fn from(error: Error) -> Self {
        compress_core::Error::other(error)
    }
}
