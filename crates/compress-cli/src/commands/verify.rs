//! `mcompress verify`: how far one file is from another, with gates.

use std::path::PathBuf;

use compress_core::Error;
use compress_io::Source;
use serde::Serialize;

use crate::console::Console;
use crate::errors::compare;
use crate::failure::{Done, Failure};
use crate::input::Input;
use crate::size;
use crate::table::{self, table};

/// Compares the tensors of two files: SQNR, cosine and largest error, worst first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mcompress verify model.safetensors small.gguf
  mcompress verify model.gguf small.gguf --min-sqnr 20 --max-bytes 80MB

The SQNR is 10·log10 of the energy of A's values over that of the differences, in decibels. Tensors
that stand for no real numbers must be equal. The exit code is 1 where a gate fails, or a tensor is
in one file alone. Where one file alone is GGUF, its tensors are compared under Hugging Face's names.
Quantized weights of ONNX are compared by their values, under the names that they had. What is no real
number in a graph may be in one file alone, since later operators take as tensors what was written in
nodes.")]
pub(crate) struct Verify {
    /// The file that is right
    a: PathBuf,
    /// The file that is compared with it
    b: PathBuf,
    /// The least SQNR that each tensor must have, in decibels
    #[arg(long, value_name = "DB")]
    min_sqnr: Option<f64>,
    /// The least cosine that each tensor must have
    #[arg(long, value_name = "C")]
    min_cosine: Option<f64>,
    /// The most bytes that B may have
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    max_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Report {
    tensors: Vec<Line>,
    bytes: u64,
    only_in_a: Vec<String>,
    only_in_b: Vec<String>,
    failed: Vec<String>,
}

#[derive(Serialize)]
struct Line {
    name: String,
    a: &'static str,
    b: &'static str,
    /// Whether all values are the same.
    equal: bool,
    /// None where they are, or where a value is not finite.
    sqnr: Option<f64>,
    cosine: f64,
    largest_error: f64,
    #[serde(skip)]
    is_real: bool,
}

impl Verify {
    pub(super) fn run(self, console: &Console) -> Done {
        let [a, b] = Input::open_both(&self.a, &self.b)?;
        let mut bytes = 0;
        for path in b.checkpoint.files() {
            let read = std::fs::metadata(&path);
            let read = read.map_err(|source| Failure::Input(Error::Io { path, source }));
            bytes += read?.len();
        }
        let mut report = Report {
            tensors: Vec::new(),
            bytes,
            only_in_a: only(&a, &b),
            only_in_b: only(&b, &a),
            failed: Vec::new(),
        };
        for (done, left) in a.reads.iter().enumerate() {
            let Some(right) = b.reads.iter().find(|read| read.info.name == left.info.name) else {
                continue;
            };
            let name = &left.info.name;
            console.progress("comparing", name, done as u64, a.reads.len() as u64);
            let same = left.info.shape == right.info.shape;
            let both_float = left.info.dtype.is_float() && right.info.dtype.is_float();
            if !same {
                let (a, b) = (&left.info.shape, &right.info.shape);
                report
                    .failed
                    .push(format!("{name} has shape {a:?} in A and {b:?} in B"));
                continue;
            }
            let mut line = Line {
                name: name.clone(),
                a: a.checkpoint.stored(left.from)?.0.name(),
                b: b.checkpoint.stored(right.from)?.0.name(),
                equal: true,
                sqnr: None,
                cosine: 1.0,
                largest_error: 0.0,
                is_real: both_float,
            };
            if both_float {
                let sums = compare(a.side(left), b.side(right), None)?;
                line.equal = sums.largest_error == 0.0;
                line.sqnr = Some(sums.sqnr()).filter(|sqnr| sqnr.is_finite());
                line.cosine = sums.cosine();
                line.largest_error = sums.largest_error;
            } else if a.checkpoint.bytes(left.from)? != b.checkpoint.bytes(right.from)? {
                line.equal = false;
                report
                    .failed
                    .push(format!("{name} stands for no real numbers and differs"));
            }
            report.tensors.push(line);
        }
        // Those that differ without a number are the worst.
        let rank = |line: &Line| {
            line.sqnr.unwrap_or(match line.equal {
                true => f64::INFINITY,
                false => f64::NEG_INFINITY,
            })
        };
        report.tensors.sort_by(|x, y| rank(x).total_cmp(&rank(y)));
        self.gates(&mut report);
        console.result(&report, &text(&report))?;
        match report.failed.is_empty() {
            true => Ok(()),
            false => Err(Failure::Gate(report.failed.join("\n       "))),
        }
    }

    fn gates(&self, report: &mut Report) {
        let mut failed = Vec::new();
        for line in &report.tensors {
            let name = &line.name;
            if line.is_real && !line.equal && line.sqnr.is_none() {
                failed.push(format!(
                    "{name} differs and has no SQNR: A is zero, or a value is not finite"
                ));
            }
            if let (Some(sqnr), Some(least)) = (line.sqnr, self.min_sqnr)
                && sqnr < least
            {
                failed.push(format!("{name} has an SQNR of {sqnr:.2} dB, below {least}"));
            }
            if let Some(least) = self.min_cosine
                && (line.cosine.is_nan() || line.cosine < least)
            {
                failed.push(format!(
                    "{name} has a cosine of {:.6}, below {least}",
                    line.cosine
                ));
            }
        }
        if let Some(most) = self.max_bytes
            && report.bytes > most
        {
            failed.push(format!("B has {} bytes, more than {most}", report.bytes));
        }
        for (what, names) in [("A", &report.only_in_a), ("B", &report.only_in_b)] {
            if !names.is_empty() {
                failed.push(format!("in {what} alone: {}", names.join(", ")));
            }
        }
        report.failed.extend(failed);
    }
}

/// The names of `a` that `b` lacks; of a graph those of real numbers.
fn only(a: &Input, b: &Input) -> Vec<String> {
    let is_graph = a.checkpoint.format().name == "onnx";
    let lacks = |name: &String| !b.reads.iter().any(|read| read.info.name == *name);
    a.reads
        .iter()
        .filter(|read| read.info.dtype.is_float() || !is_graph)
        .map(|read| read.info.name.clone())
        .filter(lacks)
        .collect()
}

fn text(report: &Report) -> String {
    use table::Side::{Left, Right};
    let heads = [
        ("tensor", Left),
        ("A", Left),
        ("B", Left),
        ("SQNR in dB", Right),
        ("cosine", Right),
        ("largest error", Right),
    ];
    let rows: Vec<Vec<String>> = report
        .tensors
        .iter()
        .map(|line| {
            vec![
                line.name.clone(),
                line.a.to_owned(),
                line.b.to_owned(),
                match (line.equal, line.sqnr) {
                    (true, _) => "equal".into(),
                    (false, Some(sqnr)) => format!("{sqnr:.2}"),
                    (false, None) => "other".into(),
                },
                format!("{:.6}", line.cosine),
                format!("{:.6}", line.largest_error),
            ]
        })
        .collect();
    let equal = report.tensors.iter().filter(|line| line.equal).count();
    format!(
        "{}\n{} tensors, {equal} equal; B has {}\n",
        table(&heads, &rows),
        report.tensors.len(),
        size::show(report.bytes)
    )
}
