//! End-to-end experiments with reports, and the workspace's own checks.
//!
//! `cargo xtask experiment` is the main job: it trains, prunes, quantizes, distils, encodes,
//! loads the file back and measures it. `cargo xtask bench` measures the kernels beside the
//! limits of the machine. `cargo xtask tidy` enforces the workspace's rules.

#![forbid(unsafe_code)]

mod bench;
mod data;
mod evaluate;
mod experiments;
mod interop;
mod interrupt;
mod output;
mod progress;
mod queue;
mod report;
mod run;
mod store;
mod sweep;
mod tidy;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::output::{note, say};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Experiment(experiments::ExperimentArgs),
    Bench(bench::BenchArgs),
    Evaluate(evaluate::EvaluateArgs),
    Interop(interop::InteropArgs),
    /// Check the rules of the workspace: crate graph, unsafe code, registries, snapshots
    Tidy,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explained(&error),
    };
    let result = show_events().and_then(|()| match cli.command {
        Command::Experiment(args) => Ok(args.run()?),
        Command::Bench(args) => Ok(bench::run(args)?),
        Command::Evaluate(args) => Ok(evaluate::run(args)?),
        Command::Interop(args) => Ok(interop::run(&args)?),
        Command::Tidy => run_tidy(),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(format_args!("error: {}", chain(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

/// Prints the help that was asked for, or what is wrong with the call.
fn explained(error: &clap::Error) -> ExitCode {
    let text = error.render();
    if error.use_stderr() {
        note(format_args!("{text}"));
        return ExitCode::from(2);
    }
    match say!("{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What the libraries say of themselves, as `RUST_LOG` asks for it: `debug`, or
/// `compress_nn=debug,compress_core=trace`. Errors alone where it does not.
fn show_events() -> Result<(), Box<dyn Error>> {
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| "error".into());
    let targets: Targets = wanted
        .parse()
        .map_err(|error| format!("RUST_LOG={wanted}: {error}"))?;
    let shown = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let subscriber = tracing_subscriber::registry().with(shown.with_filter(targets));
    Ok(subscriber.try_init()?)
}

fn run_tidy() -> Result<(), Box<dyn Error>> {
    let findings = tidy::run(workspace_root())?;
    for finding in &findings {
        note(format_args!("{finding}"));
    }
    match findings.len() {
        0 => Ok(say!("tidy: nothing to say")?),
        count => Err(format!("tidy has {count} finding(s)").into()),
    }
}

/// The folder that holds the workspace's `Cargo.toml`.
fn workspace_root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// An error and its causes, each said once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
