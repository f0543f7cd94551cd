//! `mcompress inspect`: what a file holds.

mod statistics;

use std::path::PathBuf;

use compress_io::Source;
use serde::Serialize;

use crate::console::Console;
use crate::failure::{Done, usage};
use crate::packed;
use crate::patterns;
use crate::size::{show, thousands};
use crate::table::{Side, table};
use statistics::Statistics;

/// Shows what a file holds: tensors with their shapes, types, sizes, ranges, zeros and entropy
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mcompress inspect model.gguf
  mcompress inspect model.safetensors --tensor 'model.layers.0.*'

The entropy is in bits for each value: what an ideal coder needs that takes each byte of a value by
itself. Files with much less entropy than bits pack well.")]
pub(crate) struct Inspect {
    /// The file, or a Hugging Face folder
    file: PathBuf,
    /// Only tensors that fit, with a histogram of each
    #[arg(long, value_name = "PATTERN")]
    tensor: Option<String>,
    /// Read the header alone: no ranges, zeros and entropy
    #[arg(long)]
    header: bool,
}

#[derive(Serialize)]
struct Report {
    file: String,
    format: &'static str,
    metadata: Vec<(String, String)>,
    tensors: Vec<Line>,
    values: u64,
    bytes: u64,
    bits_per_weight: f64,
}

#[derive(Serialize)]
struct Line {
    name: String,
    r#type: &'static str,
    shape: Vec<usize>,
    bytes: u64,
    #[serde(flatten)]
    statistics: Option<Statistics>,
}

impl Inspect {
    pub(super) fn run(self, console: &Console) -> Done {
        let checkpoint = packed::open(&self.file)?;
        patterns::check(self.tensor.as_deref(), checkpoint.tensors())?;
        if self.header && self.tensor.is_some() {
            return Err(usage(
                "--header reads no values, so --tensor has no histogram to show",
            ));
        }
        let chosen = |name: &str| {
            self.tensor
                .as_deref()
                .is_none_or(|p| patterns::fits(p, name))
        };
        let positions: Vec<usize> = (0..checkpoint.tensors().len())
            .filter(|&i| chosen(&checkpoint.tensors()[i].name))
            .collect();
        let total: u64 = positions
            .iter()
            .map(|&i| checkpoint.tensors()[i].values() as u64)
            .sum();
        let (mut lines, mut values, mut bytes) = (Vec::new(), 0, 0);
        for index in positions {
            let info = &checkpoint.tensors()[index];
            let statistics = match self.header {
                true => None,
                false => Some(Statistics::of(&checkpoint, index)?),
            };
            let (dtype, size) = checkpoint.stored(index)?;
            lines.push(Line {
                name: info.name.clone(),
                r#type: dtype.name(),
                shape: info.shape.clone(),
                bytes: size,
                statistics,
            });
            values += info.values() as u64;
            bytes += size;
            console.progress("reading", &info.name, values, total);
        }
        let metadata = checkpoint.metadata().iter();
        let report = Report {
            file: self.file.display().to_string(),
            format: checkpoint.format().name,
            metadata: metadata.map(|(k, v)| (k.clone(), v.to_string())).collect(),
            tensors: lines,
            values,
            bytes,
            bits_per_weight: 8.0 * bytes as f64 / (values as f64).max(1.0),
        };
        console.result(&report, &text(&report, self.tensor.is_some()))
    }
}

fn text(report: &Report, with_histograms: bool) -> String {
    let mut text = String::new();
    if !with_histograms && !report.metadata.is_empty() {
        let rows = report.metadata.iter();
        let rows: Vec<Vec<String>> = rows.map(|(k, v)| vec![k.clone(), shortened(v)]).collect();
        text += &table(&[("metadata", Side::Left), ("value", Side::Left)], &rows);
        text.push('\n');
    }
    let heads = [
        ("tensor", Side::Left),
        ("type", Side::Left),
        ("shape", Side::Left),
        ("bytes", Side::Right),
        ("least", Side::Right),
        ("largest", Side::Right),
        ("zeros", Side::Right),
        ("entropy", Side::Right),
    ];
    let rows: Vec<Vec<String>> = report
        .tensors
        .iter()
        .map(|line| {
            let shape: Vec<String> = line.shape.iter().map(usize::to_string).collect();
            let mut row = vec![
                line.name.clone(),
                line.r#type.to_owned(),
                format!("[{}]", shape.join(", ")),
                thousands(line.bytes),
            ];
            if let Some(statistics) = &line.statistics {
                row.extend(statistics.cells());
            }
            row
        })
        .collect();
    let shown = if report.tensors.iter().any(|t| t.statistics.is_some()) {
        8
    } else {
        4
    };
    text += &table(&heads[..shown], &rows);
    for line in report.tensors.iter().filter(|_| with_histograms) {
        if let Some(statistics) = &line.statistics {
            text += &format!("\n{}\n{}", line.name, statistics.histogram());
        }
    }
    text += &format!(
        "\n{} file, {} tensors, {} values, {}, {:.2} bits per weight\n",
        report.format,
        report.tensors.len(),
        thousands(report.values),
        show(report.bytes),
        report.bits_per_weight,
    );
    text
}

/// One line of a value, as long as a terminal shows it.
fn shortened(value: &str) -> String {
    const LENGTH: usize = 60;
    let line = value.replace(['\n', '\r'], " ");
    match line.chars().count() {
        0..=LENGTH => line,
        _ => format!("{}…", line.chars().take(LENGTH).collect::<String>()),
    }
}
