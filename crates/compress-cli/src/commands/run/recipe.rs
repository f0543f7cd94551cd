//! A recipe: steps that are command lines, written as tables.

use std::path::{Component, Path, PathBuf};

use clap::Parser;
use serde::Deserialize;
use toml::{Table, Value};

use crate::commands::Command;
use crate::failure::{Done, usage};

/// The keys whose values stand without a name on a command line, in their order.
const POSITIONS: [&str; 4] = ["file", "input", "a", "b"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    step: Vec<Table>,
}

/// A step.
pub(super) struct Step {
    pub(super) command: Command,
    /// As they would stand on a command line.
    pub(super) arguments: Vec<String>,
    /// The files that it reads.
    pub(super) inputs: Vec<PathBuf>,
    /// The file that it writes.
    pub(super) output: Option<PathBuf>,
}

impl Step {
    /// The command line.
    pub(super) fn text(&self) -> String {
        self.arguments.join(" ")
    }
}

/// One step as the tool reads it.
#[derive(Debug, Parser)]
#[command(
    name = "mcompress",
    disable_help_flag = true,
    disable_help_subcommand = true
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// Reads a recipe. All steps are such as the tool takes.
pub(super) fn read(text: &str) -> Done<Vec<Step>> {
    let recipe: Recipe = toml::from_str(text).map_err(usage)?;
    if recipe.step.is_empty() {
        return Err(usage("the recipe has no step"));
    }
    let steps = recipe.step.into_iter().enumerate();
    let read =
        |(number, table)| step(table).map_err(|why| usage(format!("step {}: {why}", number + 1)));
    steps.map(read).collect()
}

fn step(mut table: Table) -> Result<Step, String> {
    let command = match table.remove("command") {
        Some(Value::String(command)) => command,
        _ => return Err("`command` is missing, such as command = \"quantize\"".into()),
    };
    if command == "run" {
        return Err("a recipe runs no recipes".into());
    }
    let mut arguments = vec![command];
    let mut inputs = Vec::new();
    for key in POSITIONS {
        if let Some(value) = table.remove(key) {
            let value = one(key, &value)?;
            inputs.push(plain(&value));
            arguments.push(value);
        }
    }
    if let Some(value) = table.get("importance") {
        inputs.push(plain(&one("importance", value)?));
    }
    let is_dry = table.get("dry-run") == Some(&Value::Boolean(true));
    let output = table
        .get("output")
        .filter(|_| !is_dry)
        .map(|value| one("output", value))
        .transpose()?;
    for (key, value) in &table {
        match value {
            Value::Boolean(true) => arguments.push(format!("--{key}")),
            Value::Boolean(false) => {}
            Value::Array(values) => {
                for value in values {
                    arguments.push(format!("--{key}={}", one(key, value)?));
                }
            }
            value => arguments.push(format!("--{key}={}", one(key, value)?)),
        }
    }
    let line = std::iter::once("mcompress").chain(arguments.iter().map(String::as_str));
    let parsed = Line::try_parse_from(line).map_err(|error| {
        let text = error.to_string();
        text.trim_start_matches("error: ").trim_end().to_owned()
    })?;
    Ok(Step {
        command: parsed.command,
        arguments,
        inputs,
        output: output.as_deref().map(plain),
    })
}

/// A path without `.` in it, so that one file has one path.
fn plain(path: &str) -> PathBuf {
    let parts = Path::new(path).components();
    parts
        .filter(|part| !matches!(part, Component::CurDir))
        .collect()
}

/// A value as it stands on a command line.
fn one(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        _ => Err(format!("`{key}` is neither a text nor a number")),
    }
}

/// Fails where the options of a step are wrong, it reads a file that neither exists nor is written
/// before, writes one that is read or written already, or cannot be carried out on files that exist.
pub(super) fn check(steps: &[Step]) -> Done {
    let (mut written, mut read): (Vec<&Path>, Vec<&Path>) = (Vec::new(), Vec::new());
    for (number, step) in steps.iter().enumerate() {
        let at = |why: String| usage(format!("step {}: {why}", number + 1));
        let options = step.command.check_options();
        options.map_err(|failure| at(failure.to_string()))?;
        let mut all_exist = true;
        for input in &step.inputs {
            // A step may write a folder, and the next read a file in it.
            let comes = written.iter().any(|output| input.starts_with(output));
            all_exist &= !comes;
            if !comes && !input.exists() {
                let path = input.display();
                return Err(at(format!(
                    "{path} does not exist, and no step before writes it"
                )));
            }
            read.push(input);
        }
        if all_exist {
            let checked = step.command.check();
            checked.map_err(|failure| at(failure.to_string()))?;
        }
        if let Some(output) = &step.output {
            let path = output.display();
            if written.contains(&output.as_path()) {
                return Err(at(format!("{path} is written by a step before")));
            }
            if read.contains(&output.as_path()) {
                let why = "is read by it or a step before: a run could not go on from there";
                return Err(at(format!("{path} {why}")));
            }
            written.push(output);
        }
    }
    Ok(())
}
