//! The report: the errors of the students of each loss.

use compress_report::plots::{self, Bar, Group};
use compress_report::{Column, Figure, Section, Table, fixed};

use super::rows::{ROWS, Row};
use super::{Case, Losses};
use crate::run::RunError;
use crate::sweep::{Measured, Page, cells, mean};

type Results = [(Case, Vec<Measured>)];

pub(super) fn page(losses: &Losses, results: &Results) -> Result<Page, RunError> {
    Ok(Page {
        headline: headline(results),
        sections: vec![
            Section::Table(table(losses, results)),
            Section::Figure(figure(results)?),
        ],
        settings: losses.settings.describe(),
    })
}

fn percents(results: &Results, wanted: Option<&Row>) -> Vec<f64> {
    let there = results.iter().filter(|(case, _)| match (case, wanted) {
        (Case::Teacher { .. }, None) => true,
        (Case::Student { row, .. }, Some(wanted)) => std::ptr::eq(*row, wanted),
        _ => false,
    });
    let models = there.flat_map(|(_, models)| models);
    models.map(|model| model.errors().percent()).collect()
}

fn counted(results: &Results) -> &'static str {
    let tested = results
        .iter()
        .any(|(_, models)| models.iter().any(|m| m.test.is_some()));
    if tested {
        "test error"
    } else {
        "validation error"
    }
}

fn table(losses: &Losses, results: &Results) -> Table {
    let mut columns = vec![
        Column::text("loss"),
        Column::text("between"),
        Column::text("source"),
        Column::number("error in %"),
    ];
    columns.extend(
        losses
            .seeds
            .iter()
            .map(|seed| Column::number(format!("seed {seed}"))),
    );
    let rows = ROWS.iter().map(|row| {
        let errors = percents(results, Some(row));
        let head = [row.name.to_owned(), row.describe(), row.source.to_owned()];
        let seeds = errors.iter().map(|error| fixed(*error, 2));
        head.into_iter()
            .chain([cells(&errors, 2)])
            .chain(seeds)
            .collect()
    });
    Table {
        title: "Error by loss".into(),
        note: format!(
            "The {} of the final network: the mean of the seeds, with the least and the largest, and each. All students of a seed begin with the same weights, see the same batches of plain images and have the same teacher, whose error is {}.",
            counted(results),
            cells(&percents(results, None), 2)
        ),
        columns,
        rows: rows.collect(),
    }
}

fn figure(results: &Results) -> Result<Figure, RunError> {
    let bars = ROWS.iter().map(|row| Bar {
        label: row.name.to_owned(),
        percent: mean(&percents(results, Some(row))),
    });
    let group = Group {
        name: format!("mean {}", counted(results)),
        bars: bars.collect(),
    };
    let plot = plots::bars("error in %", &[group])?;
    Ok(Figure {
        title: "Losses".into(),
        caption: "Means of the seeds; shorter is better.".into(),
        plots: plot.into_iter().collect(),
    })
}

fn headline(results: &Results) -> String {
    let means = ROWS
        .iter()
        .map(|row| (mean(&percents(results, Some(row))), row.name));
    let best = means.min_by(|a, b| a.0.total_cmp(&b.0));
    let (error, name) = best.unwrap_or((f64::NAN, "none"));
    format!(
        "Lowest mean {}: {} % by {name}; {} % from hard labels",
        counted(results),
        fixed(error, 2),
        fixed(mean(&percents(results, ROWS.first())), 2)
    )
}
