//! `unsafe` is in `compress-core` and in one file that maps files into memory. The compiler refuses
//! it everywhere else.

use std::path::Path;

use super::Finding;
use super::source::lines_with_word;
use super::workspace::Workspace;

const CORE: &str = "compress-core";
/// The crate that maps files, and the file that does.
const IO: &str = "compress-io";
const MAP: &str = "crates/compress-io/src/map.rs";
/// Forbids it but where a module allows it itself.
const DENY: &str = "#![deny(unsafe_code)]";
const FORBID: &str = "#![forbid(unsafe_code)]";
/// The same, but for tests that use macros which allow themselves what they need.
const FORBID_OUTSIDE_TESTS: &str = "#![cfg_attr(not(test), forbid(unsafe_code))]";

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = used_outside_of_core(workspace);
    for package in workspace.packages.iter().filter(|p| p.name != CORE) {
        for root in &package.roots {
            let forbids = workspace.source(root).is_some_and(|source| {
                let mut lines = vec![FORBID, FORBID_OUTSIDE_TESTS];
                lines.extend((package.name == IO).then_some(DENY));
                lines.iter().any(|line| source.code.contains(line))
            });
            if !forbids {
                let message = format!("unsafe code is not forbidden here; add `{FORBID}`");
                findings.push(Finding::new(root, 1, message));
            }
        }
    }
    findings
}

fn used_outside_of_core(workspace: &Workspace) -> Vec<Finding> {
    let core = format!("crates/{CORE}");
    let sources = workspace
        .sources
        .iter()
        .filter(|s| !s.path.starts_with(&core) && s.path != Path::new(MAP));
    let uses = sources.flat_map(|source| {
        let lines = lines_with_word(&source.code, "unsafe");
        lines.into_iter().map(|line| {
            let message = format!("unsafe code outside of {CORE}; move it there, or do without");
            Finding::new(&source.path, line, message)
        })
    });
    uses.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::Source;
    use crate::tidy::workspace::Package;

    fn findings(package: &str, text: &str) -> Vec<usize> {
        let root = format!("crates/{package}/src/lib.rs");
        let workspace = Workspace {
            sources: vec![Source::new(&root, text)],
            packages: vec![Package {
                name: package.to_owned(),
                manifest: format!("crates/{package}/Cargo.toml").into(),
                dependencies: Vec::new(),
                roots: vec![root.into()],
            }],
            ..Workspace::default()
        };
        check(&workspace).iter().map(|f| f.line).collect()
    }

    #[test]
    fn core_alone_may() {
        assert!(findings(CORE, "unsafe { f() }").is_empty());
        let text = "#![forbid(unsafe_code)]\nfn f() {\n    unsafe { g() }\n}";
        assert_eq!(findings("compress-nn", text), [3]);
    }

    #[test]
    fn one_file_of_io_may() {
        let text = "#![deny(unsafe_code)]\nfn f() {\n    unsafe { g() }\n}";
        assert_eq!(findings(IO, text), [3], "not in any other file");
        assert_eq!(findings("compress-nn", text), [3, 1]);
        let sources = vec![Source::new(MAP, "unsafe { f() }")];
        let workspace = Workspace {
            sources,
            ..Workspace::default()
        };
        assert!(check(&workspace).is_empty());
    }

    #[test]
    fn the_others_must_forbid_it() {
        assert!(findings("compress-nn", "#![forbid(unsafe_code)]\n// unsafe").is_empty());
        assert_eq!(findings("compress-nn", "//! a"), [1]);
        assert_eq!(findings("compress-nn", "// #![forbid(unsafe_code)]"), [1]);
    }
}
