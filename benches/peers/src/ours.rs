//! Our side: `cargo xtask bench`, built as everybody builds it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

use crate::PeersError;

/// The binary.
pub(crate) struct Ours {
    binary: PathBuf,
    threads: usize,
}

/// A row of its JSON.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) value: f64,
    pub(crate) unit: String,
}

#[derive(Deserialize)]
struct Report {
    rows: Vec<Row>,
}

impl Ours {
    /// Builds it; rows that do not say how many threads they run on run on `threads`.
    pub(crate) fn build(threads: usize) -> Result<Self, PeersError> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.ancestors().nth(2).unwrap_or(here);
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args(["build", "--release", "--quiet", "--package", "xtask"])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(root)
            // Not for the processor at hand: ours finds out when it runs.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        let binary = succeed(command, "cargo build")?
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
            .next_back();
        let binary =
            binary.ok_or_else(|| PeersError::Failed("cargo build made no binary".into()))?;
        Ok(Ours { binary, threads })
    }

    /// The names of the rows that a filter chooses.
    pub(crate) fn names(&self, filter: Option<&str>) -> Result<Vec<String>, PeersError> {
        let mut command = self.bench();
        command.args(filter).arg("--list");
        let names = succeed(command, "cargo xtask bench --list")?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Measures one row.
    pub(crate) fn measure(&self, name: &str) -> Result<Row, PeersError> {
        let folder = tempfile::tempdir().map_err(PeersError::io("a temporary folder"))?;
        let path = folder.path().join("bench.json");
        let mut command = self.bench();
        command.args([name, "--no-ceilings", "--threads"]);
        command.arg(self.threads.to_string());
        command.arg("--json").arg(&path);
        succeed(command, name)?;
        let bytes = std::fs::read(&path).map_err(PeersError::io(name))?;
        let report = serde_json::from_slice(&bytes).map_err(PeersError::json(name))?;
        let Report { rows } = report;
        let row = rows.into_iter().next();
        row.ok_or_else(|| PeersError::Failed(format!("{name}: nothing was measured")))
    }

    fn bench(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("bench");
        command
    }
}

/// What a command prints; an error that repeats what it complained of where it fails.
fn succeed(mut command: Command, what: &str) -> Result<String, PeersError> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(PeersError::io(what))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(PeersError::Failed(format!("{what}: {}", said.trim_end())))
}
