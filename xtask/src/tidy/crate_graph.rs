//! The libraries depend on `compress-core` and never on each other, so that a criterion, a scheme
//! or a loss works on any model that meets core's contracts. Their tests may share what they work
//! on, in a crate that is for tests alone.

use super::Finding;
use super::workspace::{Package, Workspace};

const CORE: &str = "compress-core";

/// What the tests of libraries share. A dependency of nothing that is built.
const TESTING: &str = "compress-testing";

/// The file, in which tests may store what they made. It depends on core alone.
const FORMAT: &str = "compress-format";

/// Those that bring the others together.
const TOP: &[&str] = &["compress-benches", "compress-cli"];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let ours: Vec<&str> = workspace.packages.iter().map(|p| p.name.as_str()).collect();
    let mut findings = Vec::new();
    for package in workspace.packages.iter().filter(|p| is_library(p)) {
        for dependency in &package.dependencies {
            let is_ours = ours.contains(&dependency.name.as_str());
            let is_core = dependency.name == CORE;
            let shared = [TESTING, FORMAT].contains(&dependency.name.as_str());
            let is_for_tests = shared && dependency.for_tests;
            let is_fine = package.name != CORE && (is_core || is_for_tests);
            if is_ours && !is_fine {
                findings.push(Finding::new(
                    &package.manifest,
                    1,
                    message(package, &dependency.name),
                ));
            }
        }
    }
    findings
}

fn is_library(package: &Package) -> bool {
    package.name.starts_with("compress-") && !TOP.contains(&package.name.as_str())
}

fn message(package: &Package, dependency: &str) -> String {
    let name = &package.name;
    if name == CORE {
        format!("{CORE} depends on {dependency}; it must depend on no crate of the workspace")
    } else if dependency == TESTING {
        format!("{name} depends on {TESTING}, which is for tests; make it a dev-dependency")
    } else {
        format!(
            "{name} depends on {dependency}; what two libraries must agree on is a contract in \
             {CORE}, and tests that need both belong in xtask"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::workspace::Dependency;

    fn findings(edges: &[(&str, &[&str])]) -> Vec<String> {
        let packages = edges.iter().map(|(name, dependencies)| Package {
            name: (*name).to_owned(),
            manifest: format!("crates/{name}/Cargo.toml").into(),
            dependencies: dependencies.iter().map(|d| dependency(d)).collect(),
            roots: Vec::new(),
        });
        let workspace = Workspace {
            packages: packages.collect(),
            ..Workspace::default()
        };
        check(&workspace).iter().map(Finding::to_string).collect()
    }

    /// Of this name; for tests alone where `dev:` stands before it.
    fn dependency(name: &str) -> Dependency {
        Dependency {
            name: name.trim_start_matches("dev:").to_owned(),
            for_tests: name.starts_with("dev:"),
        }
    }

    #[test]
    fn layers_pass() {
        let edges: &[(&str, &[&str])] = &[
            (CORE, &["rayon"]),
            (
                "compress-prune",
                &[
                    CORE,
                    "ndarray",
                    "dev:compress-testing",
                    "dev:compress-format",
                ],
            ),
            ("compress-nn", &[CORE]),
            (TESTING, &[CORE]),
            ("compress-cli", &[CORE, "compress-prune", "compress-nn"]),
            ("xtask", &["compress-nn", "compress-prune"]),
        ];
        assert!(findings(edges).is_empty());
    }

    #[test]
    fn edges_between_libraries_fail() {
        let edges: &[(&str, &[&str])] = &[
            (CORE, &["compress-nn"]),
            ("compress-nn", &[CORE]),
            ("compress-distill", &[CORE, "compress-nn"]),
            ("compress-prune", &[CORE, "dev:compress-nn"]),
        ];
        let found = findings(edges);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("crates/compress-core/Cargo.toml:1: compress-core depends"));
        assert!(found[1].contains("compress-distill depends on compress-nn"));
        assert!(found[2].contains("compress-prune depends on compress-nn"));
    }

    #[test]
    fn what_is_for_tests_is_for_tests_alone() {
        let edges: &[(&str, &[&str])] = &[
            (CORE, &["dev:compress-testing"]),
            (TESTING, &[CORE, "compress-nn"]),
            ("compress-nn", &[CORE, TESTING]),
        ];
        let found = findings(edges);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("compress-core depends on compress-testing"));
        assert!(found[1].contains("compress-testing depends on compress-nn"));
        assert!(found[2].contains("make it a dev-dependency"));
    }
}
