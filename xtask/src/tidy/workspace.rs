//! The workspace as the rules see it: its Rust files, its packages, and what else is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::TidyError;
use super::source::Source;

/// Everything that the rules look at.
#[derive(Clone, Debug, Default)]
pub(super) struct Workspace {
    /// Every Rust file, sorted by path.
    pub(super) sources: Vec<Source>,
    /// Every file that Git could know, relative to the root, sorted.
    pub(super) files: Vec<PathBuf>,
    /// The members of the workspace.
    pub(super) packages: Vec<Package>,
}

/// A member of the workspace.
#[derive(Clone, Debug)]
pub(super) struct Package {
    pub(super) name: String,
    /// Its `Cargo.toml`, relative to the root.
    pub(super) manifest: PathBuf,
    /// What it depends on, for building, running or testing.
    pub(super) dependencies: Vec<Dependency>,
    /// The root files of its libraries, binaries and benches, relative to the root.
    pub(super) roots: Vec<PathBuf>,
}

/// What a member of the workspace depends on.
#[derive(Clone, Debug)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// Whether tests, examples and benches alone do.
    pub(super) for_tests: bool,
}

impl Workspace {
    /// Reads the workspace in the folder `root`.
    pub(super) fn load(root: &Path) -> Result<Self, TidyError> {
        let mut files = Vec::new();
        collect(root, Path::new(""), &mut files)?;
        files.sort();
        let mut sources = Vec::new();
        for path in &files {
            if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(root.join(path)).map_err(|source| {
                    let path = root.join(path);
                    TidyError::Read { path, source }
                })?;
                sources.push(Source::new(path, text));
            }
        }
        Ok(Workspace {
            sources,
            files,
            packages: packages(root)?,
        })
    }

    /// The Rust file at `path`.
    pub(super) fn source(&self, path: &Path) -> Option<&Source> {
        self.sources.iter().find(|source| source.path == path)
    }

    /// The sources of the libraries: `crates/*/src` but for the command line tool.
    pub(super) fn sources_of_libraries(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| {
            let mut parts = source.path.iter();
            let is_crate = parts.next().is_some_and(|p| p == "crates");
            is_crate
                && parts.next().is_some_and(|p| p != "compress-cli")
                && parts.next().is_some_and(|p| p == "src")
        })
    }
}

/// `path` with slashes on every system.
pub(super) fn slashes(path: &Path) -> String {
    let parts = path.iter().map(|part| part.to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}

/// The files below `root/folder`, but not hidden ones and no build output.
fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), TidyError> {
    let read = |source| TidyError::Read {
        path: root.join(folder),
        source,
    };
    for entry in fs::read_dir(root.join(folder)).map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') || name == "target" {
            continue;
        }
        let path = folder.join(&name);
        // Links are not followed: they could lead out of the workspace, or round in a circle.
        let kind = entry.file_type().map_err(read)?;
        if kind.is_dir() {
            collect(root, &path, files)?;
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// What `cargo metadata` says, as far as the rules look at it.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<MetadataDependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
    /// None of what is built, `dev` of what tests alone need.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    src_path: PathBuf,
}

fn packages(root: &Path) -> Result<Vec<Package>, TidyError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .output()
        .map_err(TidyError::Cargo)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(TidyError::Refused { said });
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let base = metadata.workspace_root;
    let relative = |path: &Path| path.strip_prefix(&base).unwrap_or(path).to_owned();
    let packages = metadata.packages.into_iter().map(|package| Package {
        name: package.name,
        manifest: relative(&package.manifest_path),
        dependencies: package
            .dependencies
            .into_iter()
            .map(|d| Dependency {
                name: d.name,
                for_tests: d.kind.is_some_and(|kind| kind == "dev"),
            })
            .collect(),
        roots: package
            .targets
            .iter()
            .filter(|target| target.kind.iter().any(|kind| is_guarded(kind)))
            .map(|target| relative(&target.src_path))
            .collect(),
    });
    Ok(packages.collect())
}

fn is_guarded(kind: &str) -> bool {
    matches!(kind, "lib" | "bin" | "bench")
}
