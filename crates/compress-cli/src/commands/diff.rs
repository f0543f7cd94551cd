//! `mcompress diff`: what is in one file and not in the other.

use std::path::PathBuf;

use compress_io::{Source, metadata};
use serde::Serialize;

use crate::console::Console;
use crate::errors::compare;
use crate::failure::{Done, Failure};
use crate::input::{Input, Read};

/// Says what is in one file and not in the other: tensors, shapes, types, values, metadata
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mcompress diff before.safetensors after.safetensors
  mcompress diff before.gguf after.gguf --json

The exit code is 1 where they differ. How much values differ says verify.")]
pub(crate) struct Diff {
    a: PathBuf,
    b: PathBuf,
}

#[derive(Serialize)]
struct Report {
    differences: Vec<Difference>,
}

#[derive(Serialize)]
struct Difference {
    what: &'static str,
    name: String,
    /// None where it is not in A.
    a: Option<String>,
    b: Option<String>,
}

impl Diff {
    pub(super) fn run(self, console: &Console) -> Done {
        let [a, b] = Input::open_both(&self.a, &self.b)?;
        let mut differences = tensors(console, &a, &b)?;
        differences.extend(of_metadata(&a, &b));
        let lines: Vec<String> = differences
            .iter()
            .map(|d| match (&d.a, &d.b) {
                (Some(a), Some(b)) => format!("~ {} {}: {a} -> {b}", d.what, d.name),
                (Some(a), None) => format!("- {} {}: {a}", d.what, d.name),
                (None, b) => format!("+ {} {}: {}", d.what, d.name, b.as_deref().unwrap_or("")),
            })
            .collect();
        let count = differences.len();
        let text = match count {
            0 => "no difference".to_owned(),
            _ => lines.join("\n"),
        };
        console.result(&Report { differences }, &text)?;
        match count {
            0 => Ok(()),
            1 => Err(Failure::Gate("there is 1 difference".into())),
            _ => Err(Failure::Gate(format!("there are {count} differences"))),
        }
    }
}

fn tensors(console: &Console, a: &Input, b: &Input) -> Done<Vec<Difference>> {
    let mut found = Vec::new();
    let mut add = |what, name: &str, a: Option<String>, b: Option<String>| {
        let name = name.to_owned();
        found.push(Difference { what, name, a, b });
    };
    let show = |input: &Input, read: &Read| -> Done<String> {
        let (dtype, _) = input.checkpoint.stored(read.from)?;
        let codes = if dtype == read.info.dtype {
            ""
        } else {
            " codes"
        };
        Ok(format!("{dtype}{codes} {:?}", read.info.shape))
    };
    for (done, left) in a.reads.iter().enumerate() {
        let name = &left.info.name;
        console.progress("comparing", name, done as u64, a.reads.len() as u64);
        let Some(right) = b.reads.iter().find(|read| read.info.name == *name) else {
            add("tensor", name, Some(show(a, left)?), None);
            continue;
        };
        let (before, after) = (show(a, left)?, show(b, right)?);
        if before != after {
            add("tensor", name, Some(before), Some(after));
            continue;
        }
        if left.order.is_some() || right.order.is_some() {
            let sums = compare(a.side(left), b.side(right), None)?;
            if sums.largest_error != 0.0 {
                let text = format!("largest difference {}", sums.largest_error);
                add("values of", name, Some(String::new()), Some(text));
            }
            continue;
        }
        let (x, y) = (
            a.checkpoint.bytes(left.from)?,
            b.checkpoint.bytes(right.from)?,
        );
        let place = x.iter().zip(y.iter()).position(|(x, y)| x != y);
        let length = x.len();
        if let Some(byte) = place {
            let at = |bytes: &[u8]| format!("byte {byte} is {:#04x}", bytes[byte]);
            add("values of", name, Some(at(&x)), Some(at(&y)));
        }
        drop((x, y));
        a.checkpoint.release(left.from, 0..length);
        b.checkpoint.release(right.from, 0..length);
    }
    for right in &b.reads {
        if !a.reads.iter().any(|read| read.info.name == right.info.name) {
            add("tensor", &right.info.name, None, Some(show(b, right)?));
        }
    }
    Ok(found)
}

fn of_metadata(a: &Input, b: &Input) -> Vec<Difference> {
    let difference = |key: &str, a: Option<String>, b: Option<String>| Difference {
        what: "metadata",
        name: key.to_owned(),
        a,
        b,
    };
    let mut found = Vec::new();
    for (key, left) in &a.metadata {
        let right = metadata::get(&b.metadata, key);
        if right != Some(left) {
            found.push(difference(
                key,
                Some(left.to_string()),
                right.map(|v| v.to_string()),
            ));
        }
    }
    for (key, right) in &b.metadata {
        if metadata::get(&a.metadata, key).is_none() {
            found.push(difference(key, None, Some(right.to_string())));
        }
    }
    found
}
