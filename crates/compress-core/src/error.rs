//! The error type of this crate, which its contracts use too.

use std::path::PathBuf;

/// What can go wrong in `compress-core` and in anything that meets its contracts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes that must agree do not.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The tensor or operand.
        what: String,
        /// The shape that was needed.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// A NaN or an infinity where a finite number is needed.
    #[error("{what}: value {value} at index {index} is not finite")]
    NonFinite {
        /// The tensor.
        what: String,
        /// The flat position of the first such value.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A setting or an argument outside of what is allowed.
    #[error("{what} is {value}, but must be {expected}")]
    Invalid {
        /// The setting.
        what: String,
        /// What was given.
        value: String,
        /// What is allowed.
        expected: String,
    },
    /// A matrix that has no Cholesky factor.
    #[error(
        "{what} is not positive definite: pivot {pivot} is {value:e}{}",
        with_damping(tried)
    )]
    NotPositiveDefinite {
        /// The matrix.
        what: String,
        /// The row of the pivot, the first that is not a positive finite number; of the last
        /// attempt.
        pivot: usize,
        /// The pivot: its diagonal element, less what the rows eliminated before explain of it.
        value: f64,
        /// The dampings tried, as shares of the mean of the diagonal; empty where none was asked
        /// for.
        tried: Vec<f64>,
    },
    /// Data, a tensor or a list without a single element.
    #[error("{what} is empty; at least one element is needed")]
    Empty {
        /// What is empty.
        what: String,
    },
    /// A label that names no class.
    #[error("label {label} of sample {index} is out of range; the network has {classes} outputs")]
    Label {
        /// The sample's position in the data.
        index: usize,
        /// The label found.
        label: u32,
        /// How many classes there are.
        classes: usize,
    },
    /// No tensor of this name.
    #[error("there is no tensor named {name:?}; the names are {known}")]
    UnknownTensor {
        /// The name asked for.
        name: String,
        /// Those that exist, comma separated.
        known: String,
    },
    /// Calibration data that went past a place which was to be watched.
    #[error("the model did not show {place}; is the name right, and does the model offer it?")]
    Unseen {
        /// The weight's inputs or the value.
        place: String,
    },
    /// An algorithm that was not given what it needs to know about a tensor.
    #[error("{asker} needs {evidence} of {tensor}: {how}")]
    NoEvidence {
        /// The algorithm.
        asker: String,
        /// The tensor.
        tensor: String,
        /// What is missing.
        evidence: &'static str,
        /// How it can be had.
        how: &'static str,
    },
    /// A name that is not in a registry.
    #[error("there is no {what} named {name:?}; the names are {known}")]
    UnknownName {
        /// What was looked for, such as a criterion.
        what: &'static str,
        /// The name asked for.
        name: String,
        /// Those that exist, comma separated.
        known: String,
    },
    /// An edit of the structure, refused before anything was changed.
    #[error("cannot edit {layer}: {reason}")]
    Refused {
        /// The layer, and the edge where one is at fault (`layers.0 -> layers.1`).
        layer: String,
        /// Why.
        reason: String,
    },
    /// An instruction set level that was asked for but is not there.
    #[error("COMPRESS_ISA={requested}: {reason}; this machine has {available}")]
    Isa {
        /// The level asked for.
        requested: String,
        /// Why it cannot be used.
        reason: String,
        /// The levels that can be used, comma separated.
        available: String,
    },
    /// Bytes that are not in the expected format.
    #[error("at byte {offset}: {reason}")]
    Format {
        /// Position of the fault from the beginning of the bytes.
        offset: usize,
        /// What was wrong.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// An error of another crate, passed through one of the contracts.
    #[error(transparent)]
    Other(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// What was tried, for a message.
fn with_damping(tried: &[f64]) -> String {
    match tried {
        [] => String::new(),
        tried => format!(" with the diagonal damped by {tried:?} times its mean"),
    }
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps another crate's error so that it passes through a contract.
    pub fn other(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Error::Other(Box::new(error))
    }

    /// Makes an error for a setting that is out of range.
    pub fn invalid(
        what: impl Into<String>,
        value: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Error::Invalid {
            what: what.into(),
            value: value.to_string(),
            expected: expected.into(),
        }
    }

    /// Fails unless `found` is `expected`.
    #[inline]
    pub fn check_shape(what: &str, expected: &[usize], found: &[usize]) -> Result<()> {
        // Comparing slices directly is a call, which took an eighth of a loop over short vectors.
        if expected.len() == found.len() && expected.iter().eq(found) {
            return Ok(());
        }
        Err(Error::shape(what, expected, found))
    }

    #[cold]
    fn shape(what: &str, expected: &[usize], found: &[usize]) -> Self {
        Error::Shape {
            what: what.to_owned(),
            expected: expected.to_vec(),
            found: found.to_vec(),
        }
    }

    /// Fails at the first value that is NaN or infinite.
    pub fn check_finite(what: &str, values: &[f32]) -> Result<()> {
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(index) => Err(Error::NonFinite {
                what: what.to_owned(),
                index,
                value: values[index],
            }),
        }
    }

    /// Fails at the first label that names none of `classes` classes. `indices` are the positions
    /// of the samples in the data, for the error. A label without an index is named by its own
    /// position.
    pub fn check_labels(labels: &[u32], indices: &[usize], classes: usize) -> Result<()> {
        match labels.iter().position(|&label| label as usize >= classes) {
            None => Ok(()),
            Some(at) => Err(Error::Label {
                index: indices.get(at).copied().unwrap_or(at),
                label: labels[at],
                classes,
            }),
        }
    }
}
