//! `bincode` is no longer maintained, so one file alone may know it.

use std::path::Path;

use super::Finding;
use super::source::lines_with_word;
use super::workspace::Workspace;

const PACKAGE: &str = "compress-core";
const FILE: &str = "crates/compress-core/src/structured.rs";

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let sources = workspace.sources.iter();
    let in_code = sources
        .filter(|source| source.path != Path::new(FILE))
        // The rule's own module has the same name.
        .filter(|source| !source.path.starts_with("xtask/src/tidy"))
        .flat_map(|source| {
            let lines = lines_with_word(&source.code, "bincode");
            lines.into_iter().map(|line| {
                let message = format!("bincode is named outside of {FILE}; use its functions");
                Finding::new(&source.path, line, message)
            })
        });
    let packages = workspace.packages.iter();
    let in_manifests = packages
        .filter(|p| p.name != PACKAGE && p.dependencies.iter().any(|d| d.name == "bincode"))
        .map(|p| {
            let message = format!("only {PACKAGE} may depend on bincode; use its `structured`");
            Finding::new(&p.manifest, 1, message)
        });
    in_code.chain(in_manifests).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::Source;
    use crate::tidy::workspace::{Dependency, Package};

    #[test]
    fn one_file_alone_may_name_it() {
        let sources = vec![
            Source::new(FILE, "use bincode::config;"),
            Source::new(
                "crates/compress-nn/src/a.rs",
                "// bincode\nlet s = \"bincode\";",
            ),
            Source::new(
                "crates/compress-nn/src/checkpoint.rs",
                "\nbincode::encode();",
            ),
        ];
        let package = |name: &str| Package {
            name: name.into(),
            manifest: format!("crates/{name}/Cargo.toml").into(),
            dependencies: vec![Dependency {
                name: "bincode".into(),
                for_tests: false,
            }],
            roots: Vec::new(),
        };
        let workspace = Workspace {
            sources,
            packages: vec![package(PACKAGE), package("compress-nn")],
            ..Workspace::default()
        };
        let found = check(&workspace);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].path.ends_with("checkpoint.rs") && found[0].line == 2);
        assert!(found[1].path.ends_with("compress-nn/Cargo.toml"));
    }
}
