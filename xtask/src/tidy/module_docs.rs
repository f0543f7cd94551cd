//! Every Rust file says at its top what it is.

use super::Finding;
use super::source::Source;
use super::workspace::Workspace;

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let undocumented = workspace
        .sources
        .iter()
        .filter(|source| !begins_with_docs(source));
    undocumented
        .map(|source| {
            let message = "no module documentation; begin the file with a `//!` line";
            Finding::new(&source.path, 1, message)
        })
        .collect()
}

/// Inner attributes may come first.
fn begins_with_docs(source: &Source) -> bool {
    let lines = source.text.lines().map(str::trim);
    let mut lines = lines.skip_while(|line| line.is_empty() || line.starts_with("#!"));
    let says_something = |line: &str| !line.trim().is_empty();
    let line = lines.next().and_then(|line| line.strip_prefix("//!"));
    line.is_some_and(says_something)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_documentation_fail() {
        let passes = |text: &str| {
            let workspace = Workspace {
                sources: vec![Source::new("crates/a/src/lib.rs", text)],
                ..Workspace::default()
            };
            check(&workspace).is_empty()
        };
        for good in [
            "//! What.\nuse a;",
            "\n#![forbid(unsafe_code)]\n\n//! What.",
        ] {
            assert!(passes(good), "{good}");
        }
        for bad in [
            "",
            "use a;\n//! What.",
            "// What.",
            "/// What.",
            "//!\nuse a;",
        ] {
            assert!(!passes(bad), "{bad}");
        }
    }
}
