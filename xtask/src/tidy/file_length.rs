//! No file is too long to be read in one go.

use super::Finding;
use super::workspace::Workspace;

/// In lines.
const LONGEST: usize = 600;

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let lengths = workspace
        .sources
        .iter()
        .map(|s| (s, s.text.lines().count()));
    lengths
        .filter(|(_, length)| *length > LONGEST)
        .map(|(source, length)| {
            let message = format!("{length} lines, at most {LONGEST} are allowed; split the file");
            Finding::new(&source.path, LONGEST + 1, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::Source;

    #[test]
    fn a_long_file_fails() {
        let of_length = |n: usize| Workspace {
            sources: vec![Source::new("crates/a/src/lib.rs", "//! a\n".repeat(n))],
            ..Workspace::default()
        };
        assert_eq!(check(&of_length(LONGEST)), []);
        assert_eq!(check(&of_length(LONGEST + 1)).len(), 1);
    }
}
