//! Ours beside other libraries: the same rows, the same machine, the same minutes.
//!
//! `cargo peers [FILTER] [--python PATH] [--rounds 3]` from the root of the workspace. Each row
//! that `cargo xtask bench` has and a peer can do is measured in rounds: ours, then the Rust
//! peers, then (where a Python with torch, onnxruntime, scikit-learn and zipnn is given) those. What is
//! printed are medians over the rounds, and how many times as fast as the best peer ours is.
//!
//! Ours runs as it is shipped, in a process of its own, built without any flag. The Rust peers
//! are built for the processor at hand, since some of them choose their instructions only then.

#![forbid(unsafe_code)]

mod compare;
mod ours;
mod peers;
mod server;
mod timing;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde::{Deserialize, Serialize};

#[derive(Parser)]
#[command(name = "cargo peers", bin_name = "cargo peers", about)]
struct Cli {
    /// The row of this name, or else those whose name contains it [default: all]
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// A Python with torch, onnxruntime, onnx and scikit-learn, and zipnn for packing
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// How often each is measured, in turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Threads of the rows whose name does not say how many [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Answer the names of rows on standard input with the Rust peers' values: how the
    /// comparison runs them on a given number of threads
    #[arg(long, hide = true)]
    serve: bool,
}

/// What one peer makes of one row.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Finding {
    /// The row.
    name: String,
    /// Who did it.
    peer: String,
    /// In `unit`.
    value: f64,
    /// As ours.
    unit: String,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
enum PeersError {
    #[error("{what}: {source}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{what}: {source}")]
    Json {
        what: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{0}")]
    Failed(String),
}

impl PeersError {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| PeersError::Io { what, source }
    }

    fn json(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> Self {
        let what = what.into();
        move |source| PeersError::Json { what, source }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = if cli.serve {
        server::serve(peers::measure)
    } else {
        compare::run(&cli)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
