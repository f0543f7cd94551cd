//! The report: errors of the three arms by density.

use compress_report::plots::{self, Lines, Series};
use compress_report::{Column, Figure, Section, Table, fixed};

use super::{Arm, Case, FASTEST, Lottery};
use crate::run::RunError;
use crate::sweep::{Measured, Page, cells, counted, mean, points};

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
                "The {what} in percent of the final network: the mean of the seeds, with the least and the largest. Every network is trained alike; what differs is what it begins with. Unlike Frankle and Carbin, who stop after 50,000 steps at the lowest validation loss, a training has a fixed number of epochs, and weights begin uniform as He's."
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
        headline: headline(results, &densities, &errors),
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

/// The sparsest ticket that is no worse than the whole network on the validation images, and what
/// other weights give there.
fn headline(
    results: &Results,
    densities: &[f64],
    errors: &impl Fn(Arm, usize) -> Vec<f64>,
) -> String {
    let what = counted(results);
    let of = |arm, round| fixed(mean(&errors(arm, round)), 2);
    let validation = |round| {
        mean(&values(results, Arm::Winning, round, |m| {
            Some(m.validation.percent())
        }))
    };
    let whole = of(Arm::Winning, 0);
    let mut rounds = (1..densities.len()).rev();
    match rounds.find(|&round| validation(round) <= validation(0)) {
        None => format!(
            "No winning ticket reaches the validation error of the whole network, whose {what} is {whole} %"
        ),
        Some(round) => format!(
            "Winning tickets have no more validation errors than the whole network down to {} % of the weights: {what} {} %, of the whole network {whole} %, of the same masks with other weights {} %",
            fixed(densities[round], 1),
            of(Arm::Winning, round),
            of(Arm::Reinitialized, round)
        ),
    }
}
