//! The workspace's own rules, checked by code. One file per rule, one line in [`CHECKS`] each.
//!
//! A line may be exempted by a comment at its end: `// tidy: allow(<why>)`.

mod algorithms;
mod bincode;
mod crate_graph;
mod documents;
mod file_length;
mod floors;
mod module_docs;
mod no_printing;
mod platform_math;
mod snapshots;
mod source;
mod unsafe_code;
mod workspace;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use workspace::Workspace;

/// Every rule.
const CHECKS: &[fn(&Workspace) -> Vec<Finding>] = &[
    algorithms::check,
    bincode::check,
    crate_graph::check,
    documents::check,
    file_length::check,
    floors::check,
    module_docs::check,
    no_printing::check,
    platform_math::check,
    snapshots::check,
    unsafe_code::check,
];

/// A broken rule: where, what is wrong, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file or folder, relative to the root of the workspace.
    pub path: PathBuf,
    /// From 1.
    pub line: usize,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl Finding {
    fn new(path: impl Into<PathBuf>, line: usize, message: impl Into<String>) -> Self {
        Finding {
            path: path.into(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With slashes on every system, as in the rules.
        let path = workspace::slashes(&self.path);
        write!(f, "{path}:{}: {}", self.line, self.message)
    }
}

/// Why the rules could not be checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TidyError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Cargo cannot be started.
    #[error("cannot run cargo metadata: {0}")]
    Cargo(#[source] std::io::Error),
    /// Cargo does not say what the workspace is made of.
    #[error("cargo metadata fails: {said}")]
    Refused {
        /// Its words.
        said: String,
    },
    /// Cargo says it in another form.
    #[error("cannot read what cargo metadata prints: {0}")]
    Metadata(#[from] serde_json::Error),
}

/// Checks every rule on the workspace whose `Cargo.toml` is in `root`; sorted by path and line.
///
/// # Errors
/// Where a file cannot be read, or `cargo metadata` fails.
pub(crate) fn run(root: &Path) -> Result<Vec<Finding>, TidyError> {
    let workspace = Workspace::load(root)?;
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(&workspace)).collect();
    findings.sort();
    Ok(findings)
}
