//! The errors of this crate that `compress-core` has no variant for.

/// The errors of this crate. The contracts of `compress-core` carry them in
/// [`compress_core::Error::Other`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No scheme of this name.
    #[error("there is no quantization scheme named {name:?}; the schemes are {known}")]
    UnknownScheme {
        /// The name asked for.
        name: String,
        /// The existing names, comma separated.
        known: String,
    },
    /// A scheme was assigned to parameters, but none takes it: no parameter matches, or an earlier
    /// assignment took all that match.
    #[error("the scheme {scheme} for {target} takes no parameter; the parameters are {known}")]
    Unmatched {
        /// The name or role that the scheme was assigned to.
        target: String,
        /// The scheme's name.
        scheme: &'static str,
        /// The network's parameters, comma separated.
        known: String,
    },
    /// The network is not the one that the codecs were fitted to.
    #[error("the codec of {name} was fitted to shape {fitted:?}, but the network has {found}")]
    NetworkChanged {
        /// The parameter.
        name: String,
        /// Its shape when the codec was fitted.
        fitted: Vec<usize>,
        /// What is there now.
        found: String,
    },
    /// State asked for between a forward pass and the end of its backward pass.
    #[error("the network holds quantized weights; put the trained ones back first")]
    Swapped,
}

impl From<Error> for compress_core::Error {
    fn from(error: Error) -> Self {
        compress_core::Error::other(error)
    }
}
