//! The report: the errors of the students of each loss.

use compress_report::plots::{self, Bar, Group};
use compress_report::{Column, Figure, Section, Table, fixed};

use super::rows::{ROWS, Row};
use super::{Case, Losses};
use crate::run::RunError;
use crate::sweep::{Measured, Page, cells, counted, mean, mean_validation, percents};

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

/// The students of a loss, or the teachers, one for each seed.
fn models<'a>(results: &'a Results, wanted: Option<&Row>) -> Vec<&'a Measured> {
    let there = results.iter().filter(|(case, _)| match (case, wanted) {
        (Case::Teacher { .. }, None) => true,
        (Case::Student { row, .. }, Some(wanted)) => row.name == wanted.name,
        _ => false,
    });
    there.flat_map(|(_, models)| models).collect()
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
            .lab
            .seeds
            .iter()
            .map(|seed| Column::number(format!("seed {seed}"))),
    );
    let rows = ROWS.iter().map(|row| {
        let errors = percents(models(results, Some(row)));
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
            "The {} of the final network: the mean of the seeds, with the least and the largest, and each. All students of a seed begin with the same weights, see the same batches of plain images and have the same teacher, whose error is {}; the budget is the number of epochs. The hint is learned along with the labels, where FitNets has two stages.",
            counted(results),
            cells(&percents(models(results, None)), 2)
        ),
        columns,
        rows: rows.collect(),
    }
}

fn figure(results: &Results) -> Result<Figure, RunError> {
    let bars = ROWS.iter().map(|row| Bar {
        label: row.name.to_owned(),
        percent: mean(&percents(models(results, Some(row)))),
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

/// The loss with the fewest validation errors.
fn headline(results: &Results) -> String {
    let of = |row: &Row| mean(&percents(models(results, Some(row))));
    let means = ROWS
        .iter()
        .map(|row| (mean_validation(models(results, Some(row))), row));
    let best = means.min_by(|a, b| a.0.total_cmp(&b.0));
    let (Some((_, best)), Some(hard)) = (best, ROWS.first()) else {
        return "No loss was compared".into();
    };
    format!(
        "Mean {} by the loss with the fewest validation errors: {} % ({}); {} % from hard labels",
        counted(results),
        fixed(of(best), 2),
        best.name,
        fixed(of(hard), 2)
    )
}
