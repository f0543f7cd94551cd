//! The tables of a report.

use compress_report::{Column, Table, error_percent, fixed, thousands};

use super::model::Report;

/// The model after each stage, the result last.
pub(super) fn stages(report: &Report) -> Table {
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
        title: "Stages".into(),
        note: format!(
            "Bytes are the whole file, and the ratio is the original's bytes over them. Validation \
             errors are counted on {validation} samples, {test}."
        ),
        columns: vec![
            Column::text("stage"),
            Column::number("parameters"),
            Column::number("non-zero"),
            Column::number("bytes"),
            Column::number("ratio"),
            Column::number("validation error %"),
            Column::number("test errors"),
            Column::number("test error %"),
        ],
        rows: rows.collect(),
    }
}

/// What the bytes of the final file are spent on.
pub(super) fn storage(report: &Report) -> Table {
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
        title: "Storage".into(),
        note: "The final file by tensor, and the kernel that the runtime chose for each weight. \
               Everything else is the header, the architecture and the checksum."
            .to_owned(),
        columns: vec![
            Column::text("tensor"),
            Column::text("coding"),
            Column::text("runs on"),
            Column::number("bytes"),
        ],
        rows,
    }
}

/// A row for each stage, a column for each layer.
pub(super) fn densities(report: &Report) -> Table {
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
    let columns = layers
        .iter()
        .map(|layer| Column::number(format!("{layer} %")));
    Table {
        title: "Density".into(),
        note: "Weights left in each layer after each stage, in percent.".to_owned(),
        rows: rows.collect(),
        columns: std::iter::once(Column::text("stage"))
            .chain(columns)
            .collect(),
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

/// What the run was asked for.
pub(super) fn settings(report: &Report) -> Table {
    let rows = report.settings.iter();
    Table {
        title: "Settings".into(),
        note: "With the seed they reproduce the model bit for bit.".to_owned(),
        columns: vec![Column::text("setting"), Column::text("value")],
        rows: rows.map(|(k, v)| vec![k.clone(), v.clone()]).collect(),
    }
}
