//! The tables of a report, as text in cells; markdown and HTML lay them out.

use super::model::Report;
use super::number::{error_percent, fixed, thousands};

/// A titled table.
pub(super) struct Table {
    /// Its heading.
    pub(super) title: &'static str,
    /// What it shows, in a sentence or two.
    pub(super) note: String,
    /// The columns, first to last.
    pub(super) columns: Vec<Column>,
    /// Rows of as many cells as there are columns.
    pub(super) rows: Vec<Vec<String>>,
}

/// The head of a column.
pub(super) struct Column {
    /// What it holds, with the unit.
    pub(super) name: String,
    /// Whether it holds numbers, which are aligned to the right.
    pub(super) numeric: bool,
}

/// All tables that have rows, in the order in which they are shown.
pub(super) fn all(report: &Report) -> Vec<Table> {
    let tables = [
        stages(report),
        storage(report),
        densities(report),
        settings(report),
    ];
    tables.into_iter().filter(|t| !t.rows.is_empty()).collect()
}

fn stages(report: &Report) -> Table {
    let rows = report.stages.iter().map(|stage| {
        let (errors, percent) = match (stage.test_errors, report.test_samples) {
            (Some(errors), Some(samples)) => {
                (thousands(errors as u64), error_percent(errors, samples))
            }
            _ => (String::new(), String::new()),
        };
        vec![
            stage.stage.clone(),
            thousands(stage.parameters as u64),
            thousands(stage.nonzero as u64),
            thousands(stage.bytes as u64),
            fixed(stage.ratio, 2),
            fixed(stage.validation_error_percent, 3),
            errors,
            percent,
        ]
    });
    let validation = thousands(report.validation_samples as u64);
    let test = match report.test_samples {
        Some(samples) => format!("test errors on {}", thousands(samples as u64)),
        None => "the test set stayed shut".to_owned(),
    };
    Table {
        title: "Stages",
        note: format!(
            "Bytes are the whole file, and the ratio is the original's bytes over them. Validation \
             errors are counted on {validation} samples, {test}."
        ),
        columns: vec![
            text("stage"),
            number("parameters"),
            number("non-zero"),
            number("bytes"),
            number("ratio"),
            number("validation error %"),
            number("test errors"),
            number("test error %"),
        ],
        rows: rows.collect(),
    }
}

fn storage(report: &Report) -> Table {
    let mut rows: Vec<Vec<String>> = report
        .tensors
        .iter()
        .map(|t| {
            let bytes = thousands(t.bytes as u64);
            vec![t.name.clone(), t.coding.clone(), t.kernel.clone(), bytes]
        })
        .collect();
    let stored: usize = report.tensors.iter().map(|t| t.bytes).sum();
    let file = report.file_bytes;
    if let (false, Some(rest)) = (rows.is_empty(), file.checked_sub(stored)) {
        let row = |name: &str, bytes| {
            let bytes = thousands(bytes as u64);
            vec![name.to_owned(), String::new(), String::new(), bytes]
        };
        rows.push(row("everything else", rest));
        rows.push(row("whole file", file));
    }
    Table {
        title: "Storage",
        note: "The final file by tensor, and the kernel that the runtime chose for each weight. \
               Everything else is the header, the architecture and the checksum."
            .to_owned(),
        columns: vec![
            text("tensor"),
            text("coding"),
            text("runs on"),
            number("bytes"),
        ],
        rows,
    }
}

fn densities(report: &Report) -> Table {
    let (layers, stages) = density_axes(report);
    let rows = stages.iter().map(|&stage| {
        let cells = layers.iter().map(|&layer| {
            let found = report
                .densities
                .iter()
                .find(|d| d.layer == layer && d.stage == stage);
            found.map_or(String::new(), |d| fixed(d.density * 100.0, 2))
        });
        std::iter::once(stage.to_owned()).chain(cells).collect()
    });
    let columns = layers.iter().map(|layer| number(&format!("{layer} %")));
    Table {
        title: "Density",
        note: "Weights left in each layer after each stage, in percent.".to_owned(),
        rows: rows.collect(),
        columns: std::iter::once(text("stage")).chain(columns).collect(),
    }
}

/// The layers and the stages that densities are given for, each once, in order of appearance.
pub(super) fn density_axes(report: &Report) -> (Vec<&str>, Vec<&str>) {
    let mut layers: Vec<&str> = Vec::new();
    let mut stages: Vec<&str> = Vec::new();
    for d in &report.densities {
        if !layers.contains(&d.layer.as_str()) {
            layers.push(&d.layer);
        }
        if !stages.contains(&d.stage.as_str()) {
            stages.push(&d.stage);
        }
    }
    (layers, stages)
}

fn settings(report: &Report) -> Table {
    let rows = report.settings.iter();
    Table {
        title: "Settings",
        note: "With the seed they reproduce the model bit for bit.".to_owned(),
        columns: vec![text("setting"), text("value")],
        rows: rows.map(|(k, v)| vec![k.clone(), v.clone()]).collect(),
    }
}

fn text(name: &str) -> Column {
    Column {
        name: name.to_owned(),
        numeric: false,
    }
}

fn number(name: &str) -> Column {
    Column {
        name: name.to_owned(),
        numeric: true,
    }
}
