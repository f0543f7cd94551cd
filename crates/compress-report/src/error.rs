//! The errors of this crate.

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A plot cannot be drawn.
    #[error("cannot draw the plot of {plot}: {reason}")]
    Plot {
        /// Which one.
        plot: &'static str,
        /// The drawing library's reason.
        reason: String,
    },
    /// A value does not make JSON, such as a map whose keys are no text.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
