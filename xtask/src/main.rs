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
mod progress;
mod queue;
mod report;
mod run;
mod store;
mod tidy;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::run::{Options, Profile, Run};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run an experiment from end to end and write its report
    Experiment(ExperimentArgs),
    /// Measure the ceilings of the machine, and each kernel beside its own
    Bench(bench::BenchArgs),
    /// Load a .cmp file and print its bytes, architecture, test errors and time per image
    Evaluate {
        /// The file
        file: PathBuf,
        /// The folder of the four MNIST files [default: xtask/data/mnist]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Check the rules of the workspace: crate graph, unsafe code, registries, snapshots
    Tidy,
}

#[derive(Args)]
struct ExperimentArgs {
    /// Which experiment; see --list
    #[arg(default_value = "pipeline")]
    name: String,
    /// List the experiments and stop
    #[arg(long)]
    list: bool,
    /// A small network on a subset of the data: seconds instead of minutes
    #[arg(long)]
    quick: bool,
    /// All random numbers follow from it [default: 1, of a sweep 101]
    #[arg(long)]
    seed: Option<u64>,
    /// Of the record: how many seeds, from --seed on [default: 5, with --quick or --sweep 2]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    seeds: Option<u8>,
    /// Of the record: what is shown, and what a student may read [default: pixels]
    #[arg(long)]
    track: Option<experiments::Track>,
    /// Of the record's tracks pixels and pooled: the target, by its bytes [default: 2400 of pixels, 1250 of pooled, which are to stay at 1.60 %]
    #[arg(long, value_name = "N")]
    target_bytes: Option<usize>,
    /// Of the record's track density: one level alone, 5, 2 or 1 percent of the weights [default: all]
    #[arg(long, value_name = "N", conflicts_with = "target_bytes")]
    target_percent: Option<usize>,
    /// Of the record's tracks pixels and pooled: the frontier, error against bytes over several prices of a bit; never
    /// opens the test set
    #[arg(long, conflicts_with = "target_bytes")]
    sweep: bool,
    /// Worker threads; the result is the same for any number [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Where the report and the model go [default: target/experiments/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on after the last finished stage of an interrupted run
    #[arg(long)]
    resume: bool,
    /// Leave the test set unread: for tuning. The record opens it for seeds 1 to 5 alone
    #[arg(long)]
    validation_only: bool,
    /// The folder of the four MNIST files [default: xtask/data/mnist]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let result = match Cli::parse().command {
        Command::Experiment(args) => experiment(args),
        Command::Bench(args) => bench::run(args)
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
        Command::Evaluate { file, data } => {
            evaluate::run(&file, &data.unwrap_or_else(data::default_dir))
                .map(|()| ExitCode::SUCCESS)
                .map_err(Into::into)
        }
        Command::Tidy => run_tidy(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn experiment(args: ExperimentArgs) -> Result<ExitCode, Box<dyn Error>> {
    if args.list {
        for experiment in experiments::EXPERIMENTS {
            println!("{:<12} {}", experiment.name, experiment.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let experiment = experiments::find(&args.name)?;
    // Asked before anything is done: a level that the machine lacks is an error of the call.
    compress_core::isa::Isa::active()?;
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()?;
    }
    let workspace = workspace_root();
    let out = args
        .out
        .unwrap_or_else(|| workspace.join("target/experiments").join(experiment.name));
    let run = Run::new(
        experiment,
        if args.quick {
            Profile::Quick
        } else {
            Profile::Full
        },
        args.seed.unwrap_or(if args.sweep { 101 } else { 1 }),
        Options {
            seeds: args.seeds,
            track: args.track,
            target_bytes: args.target_bytes,
            target_percent: args.target_percent,
            sweep: args.sweep,
        },
        args.validation_only,
        args.data.unwrap_or_else(data::default_dir),
        out,
        args.resume,
    )?;
    (experiment.run)(&run)?;
    Ok(ExitCode::SUCCESS)
}

fn run_tidy() -> Result<ExitCode, Box<dyn Error>> {
    let findings = tidy::run(workspace_root())?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: nothing to say");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("tidy: {} finding(s)", findings.len());
    Ok(ExitCode::FAILURE)
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
