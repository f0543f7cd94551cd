//! The documents that a reader starts from exist.

use std::path::Path;

use super::Finding;
use super::workspace::Workspace;

const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let missing = DOCUMENTS
        .iter()
        .filter(|name| !workspace.files.iter().any(|file| file == Path::new(name)));
    missing
        .map(|name| Finding::new(name, 1, "the document is missing; write it"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_document_fails() {
        let workspace = Workspace {
            files: vec![
                "README.md".into(),
                "CHANGELOG.md".into(),
                "CONTRIBUTING.md".into(),
                "a/ARCHITECTURE.md".into(),
            ],
            ..Workspace::default()
        };
        let found = check(&workspace);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, Path::new("ARCHITECTURE.md"));
    }
}
