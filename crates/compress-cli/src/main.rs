//! `mcompress`: makes checkpoints of neural networks smaller.

#![forbid(unsafe_code)]

mod commands;
mod console;
mod encoders;
mod errors;
mod failure;
mod input;
mod interrupt;
mod packed;
mod patterns;
mod receiver;
mod size;
mod table;
mod write;

use std::process::ExitCode;

use clap::Parser;

use commands::Command;
use console::Console;

/// Makes checkpoints of neural networks smaller: safetensors, GGUF, ONNX and npz, in and out.
#[derive(Debug, Parser)]
#[command(
    name = "mcompress",
    version,
    after_help = "Exit codes: 0 done, 1 a gate failed, 2 wrong usage, 3 the input is broken, 4 the output \
                  could not be written."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Worker threads; the result is the same for any number [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<std::num::NonZeroUsize>,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

fn main() -> ExitCode {
    interrupt::watch();
    let cli = Cli::parse();
    if let Some(threads) = cli.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get());
        if let Err(error) = pool.build_global() {
            eprintln!("error: cannot start {threads} threads: {error}");
            return ExitCode::from(failure::USAGE);
        }
    }
    let console = Console::new(cli.json);
    match cli.command.run(&console) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console.clear();
            eprintln!("error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
