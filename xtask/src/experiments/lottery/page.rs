//! The report: errors of the three arms by density.

use compress_report::plots::{self, Lines, Series};
use compress_report::{Column, Figure, Section, Table, fixed};

use super::{Arm, Case, FASTEST, Lottery};
use crate::run::RunError;
use crate::sweep::{Measured, Page, cells, mean, points};

type Results = [(Case, Vec<Measured>)];

pub(super) fn page(lottery: &Lottery, results: &Results) -> Result<Page, RunError> {
    let densities = densities(lottery, results)?;
    let errors = |arm, round| values(results, arm, round, |m| Some(m.errors().percent()));
    let epochs = |arm, round| values(results, arm, round, |m| m.number(FASTEST));
    let what = counted(results);
    let title = |what: &str| what.to_owned();
    let sections = vec![
        Section::Table(table(
            title("Error by density"),
            format!(
                "The {what} in percent of the final network: the mean of the seeds, with the least and the largest. Every network is trained alike; what differs is what it begins with."
            ),
            &densities,
            |arm, round| cells(&errors(arm, round), 2),
        )),
        Section::Figure(figure(&densities, &errors, what)?),
        Section::Table(table(
            title("How fast they learn"),
            "Epochs until the validation loss was lowest: the mean of the seeds, with the least and the largest.".into(),
            &densities,
            |arm, round| cells(&epochs(arm, round), 1),
        )),
    ];
    Ok(Page {
        headline: headline(&densities, &errors, what),
        sections,
        settings: lottery.settings.describe(),
    })
}

/// The share of the weights in percent that each round begins with: that of the tickets.
fn densities(lottery: &Lottery, results: &Results) -> Result<Vec<f64>, RunError> {
    let all = lottery.weights()?.max(1) as f64;
    let live = |round| values(results, Arm::Winning, round, |m| Some(m.live as f64));
    let rounds = 0..lottery.settings.rounds;
    Ok(rounds
        .map(|round| 100.0 * mean(&live(round)) / all)
        .collect())
}

fn values(
    results: &Results,
    arm: Arm,
    round: usize,
    of: impl Fn(&Measured) -> Option<f64>,
) -> Vec<f64> {
    let those = results.iter().filter(|(case, _)| case.arm == arm);
    those
        .filter_map(|(_, models)| of(models.get(round)?))
        .collect()
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

fn table(
    title: String,
    note: String,
    densities: &[f64],
    cell: impl Fn(Arm, usize) -> String,
) -> Table {
    let mut columns = vec![Column::number("weights left in %")];
    columns.extend(Arm::ALL.map(|arm| Column::number(arm.name())));
    let row = |(round, density): (usize, &f64)| {
        let cells = Arm::ALL.map(|arm| cell(arm, round));
        std::iter::once(fixed(*density, 2)).chain(cells).collect()
    };
    Table {
        title,
        note,
        columns,
        rows: densities.iter().enumerate().map(row).collect(),
    }
}

fn figure(
    densities: &[f64],
    errors: &impl Fn(Arm, usize) -> Vec<f64>,
    what: &str,
) -> Result<Figure, RunError> {
    let series = Arm::ALL.map(|arm| {
        let at = || {
            densities
                .iter()
                .enumerate()
                .map(|(round, x)| (*x, errors(arm, round)))
        };
        let single = at().flat_map(|(x, errors)| errors.into_iter().map(move |y| (x, y)));
        Series {
            label: arm.name().to_owned(),
            points: single.collect(),
            line: points(at()),
            published: false,
        }
    });
    let plot = plots::lines(&Lines {
        x_title: "weights left in %".into(),
        logarithmic: true,
        y_title: format!("{what} in %"),
        series: series.to_vec(),
    })?;
    Ok(Figure {
        title: "Error against density".into(),
        caption: "Discs are means, rings are single seeds.".into(),
        plots: plot.into_iter().collect(),
    })
}

/// The sparsest ticket that is no worse than the whole network, and what other weights give there.
fn headline(densities: &[f64], errors: &impl Fn(Arm, usize) -> Vec<f64>, what: &str) -> String {
    let of = |arm, round| mean(&errors(arm, round));
    let whole = of(Arm::Winning, 0);
    let rounds = (0..densities.len()).rev();
    let matching = rounds
        .into_iter()
        .find(|&round| of(Arm::Winning, round) <= whole);
    let round = matching.unwrap_or(0);
    format!(
        "Winning tickets reach the {what} of the whole network, {} %, down to {} % of the weights: {} %; the same masks with other weights have {} % there",
        fixed(whole, 2),
        fixed(densities.get(round).copied().unwrap_or(100.0), 1),
        fixed(of(Arm::Winning, round), 2),
        fixed(of(Arm::Reinitialized, round), 2)
    )
}
