//! The rules on a small workspace on disk.

use std::fs;
use std::path::Path;

use super::source::Source;
use super::*;

/// The lines that `check` finds fault with in a workspace of one file, ascending.
pub(super) fn lines_found(
    check: fn(&Workspace) -> Vec<Finding>,
    path: &str,
    text: &str,
) -> Vec<usize> {
    let workspace = Workspace {
        sources: vec![Source::new(path, text)],
        ..Workspace::default()
    };
    let mut lines: Vec<usize> = check(&workspace).iter().map(|f| f.line).collect();
    lines.sort_unstable();
    lines
}

const PACKAGE: &str = "version = \"0.1.0\"\nedition = \"2024\"\n";

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("create folder");
    fs::write(path, text).expect("write");
}

fn write_crate(root: &Path, name: &str, dependencies: &str, code: &str) {
    let manifest = format!("[package]\nname = \"{name}\"\n{PACKAGE}[dependencies]\n{dependencies}");
    write(root, &format!("crates/{name}/Cargo.toml"), &manifest);
    write(root, &format!("crates/{name}/src/lib.rs"), code);
}

#[test]
fn broken_rules_are_found_on_disk() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let root = dir.path();
    write(
        root,
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n",
    );
    write(root, "README.md", "");
    // Neither hidden folders nor build output are looked at.
    write(root, ".hidden/a.rs", "");
    write(root, "target/a.rs", "");
    write_crate(root, "compress-core", "", "//! Core.\nunsafe fn f() {}\n");
    let forbid = "//! A library.\n#![forbid(unsafe_code)]\n";
    write_crate(root, "compress-nn", "", forbid);
    write_crate(
        root,
        "compress-distill",
        "compress-nn = { path = \"../compress-nn\" }\n",
        "fn f() {\n    println!();\n    unsafe { g() }\n}\n",
    );

    let findings = run(root).expect("the rules can be checked");
    let texts: Vec<String> = findings.iter().map(Finding::to_string).collect();
    for start in [
        "ARCHITECTURE.md:1: ",
        "crates/compress-distill/Cargo.toml:1: compress-distill depends on compress-nn",
        "crates/compress-distill/src/lib.rs:1: no module documentation",
        "crates/compress-distill/src/lib.rs:1: unsafe code is not forbidden",
        "crates/compress-distill/src/lib.rs:2: a library prints",
        "crates/compress-distill/src/lib.rs:3: unsafe code outside",
        "crates/compress-distill/src/losses/mod.rs:1: there is no such file",
    ] {
        let found = texts.iter().filter(|text| text.starts_with(start)).count();
        assert_eq!(found, 1, "{start} in {texts:#?}");
    }
    for quiet in [
        "README.md",
        "crates/compress-core",
        "crates/compress-nn",
        ".hidden",
        "target",
    ] {
        let found = texts.iter().any(|text| text.starts_with(quiet));
        assert!(!found, "{quiet} in {texts:#?}");
    }
    assert!(findings.is_sorted());
}

#[test]
fn a_folder_without_a_workspace_is_an_error() {
    let dir = tempfile::tempdir().expect("temporary folder");
    assert!(matches!(run(dir.path()), Err(TidyError::Refused { .. })));
    let missing = dir.path().join("missing");
    let error = run(&missing).expect_err("there is no such folder");
    assert!(error.to_string().contains("missing"), "{error}");
}
