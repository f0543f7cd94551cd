//! Files on disk.

use std::fs;
use std::path::PathBuf;

use super::*;

/// A directory of this test's own, removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let unique = format!("compress-core-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(unique);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn small(per_mille: u32) -> Artifact {
    let architecture = Architecture::mlp(&[4, 3, 2], Activation::Relu).unwrap();
    model(
        architecture,
        Kind::Codebook(4),
        Kind::SparseFloat,
        per_mille,
    )
}

#[test]
fn a_file_is_replaced_whole() {
    let directory = Directory::new("replaced");
    let path = directory.0.join("model.cmp");
    for per_mille in [900, 100] {
        let artifact = small(per_mille);
        let stored = artifact.write(&path).unwrap();
        assert_eq!(Artifact::read(&path).unwrap(), artifact);
        let (bytes, expected) = artifact.to_bytes().unwrap();
        assert_eq!((fs::read(&path).unwrap(), stored), (bytes, expected));
        assert_eq!(directory.names(), ["model.cmp"]);
    }
}

#[test]
fn a_model_that_is_refused_leaves_the_file_as_it_was() {
    let directory = Directory::new("refused");
    let path = directory.0.join("model.cmp");
    small(500).write(&path).unwrap();
    let mut bad = small(500);
    bad.tensors.pop();
    assert!(bad.write(&path).is_err());
    assert_eq!(Artifact::read(&path).unwrap(), small(500));
    assert_eq!(directory.names(), ["model.cmp"]);
}

#[test]
fn a_path_that_cannot_be_written_is_named_and_nothing_is_left() {
    let directory = Directory::new("impossible");
    let file = directory.0.join("file");
    fs::write(&file, "text").unwrap();
    let taken = directory.0.join("taken");
    fs::create_dir(&taken).unwrap();
    for path in [
        file.join("model.cmp"),
        taken.clone(),
        directory.0.join(".."),
    ] {
        match small(500).write(&path).unwrap_err() {
            Error::Io { path: named, .. } => assert_eq!(named, path),
            other => panic!("{other}"),
        }
    }
    let mut names = directory.names();
    names.sort();
    assert_eq!(names, ["file", "taken"]);
    assert_eq!(fs::read(&file).unwrap(), b"text");
}

#[test]
fn what_cannot_be_read_is_named() {
    let directory = Directory::new("unreadable");
    let missing = directory.0.join("missing.cmp");
    let garbage = directory.0.join("garbage.cmp");
    fs::write(&garbage, "CMP but no more").unwrap();
    for path in [missing, garbage] {
        match Artifact::read(&path).unwrap_err() {
            Error::Io { path: named, .. } => assert_eq!(named, path),
            other => panic!("{other}"),
        }
    }
}
