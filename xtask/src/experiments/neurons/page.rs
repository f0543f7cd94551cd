//! The report: errors and bytes of what is left, by share, criterion and repair.

use compress_report::plots::{self, Lines, Series};
use compress_report::{Column, Figure, Section, Table, fixed, thousands};

use super::settings::{NETWORKS, Network};
use super::{
    BIASES, CRITERIA, Case, Cut, DIFFERING, NeuronsGone, OUTPUT_ERROR, REMOVED, SOLVED, TUNED,
};
use crate::run::RunError;
use crate::sweep::{Measured, Page, cells, counted, mean, percents, points};

type Results = [(Case, Vec<Measured>)];

pub(super) fn page(neurons: &NeuronsGone, results: &Results) -> Result<Page, RunError> {
    let mut sections = vec![Section::Table(errors_table(neurons, results))];
    sections.push(Section::Figure(figure(neurons, results)?));
    sections.push(Section::Table(repair_table(neurons, results)));
    sections.push(Section::Table(sizes_table(neurons, results)));
    Ok(Page {
        headline: headline(neurons, results),
        sections,
        settings: neurons.settings.describe(neurons.lab.profile),
    })
}

/// The models of all seeds of a network and a cut that have a label.
fn models<'a>(results: &'a Results, network: &Network, cut: Cut, label: &str) -> Vec<&'a Measured> {
    let there = results
        .iter()
        .filter(|(case, _)| case.network.name == network.name && case.cut == cut);
    let models = there.flat_map(|(_, models)| models);
    models.filter(|model| model.label == label).collect()
}

fn numbers(models: &[&Measured], name: &str) -> Vec<f64> {
    models.iter().filter_map(|m| m.number(name)).collect()
}

fn percent(share: f64) -> String {
    format!("{} %", fixed(100.0 * share, 0))
}

/// The number of the L2 norm among the criteria.
const L2: usize = 2;

/// All cuts of neurons, with what they are called.
fn cuts(neurons: &NeuronsGone) -> Vec<(Cut, f64, &'static str)> {
    let shares = neurons.settings.shares.iter();
    let of = |&share: &f64| {
        let named = CRITERIA.iter().enumerate();
        named.map(move |(criterion, (_, name))| (Cut::Neurons { criterion, share }, share, *name))
    };
    shares.flat_map(of).collect()
}

fn errors_table(neurons: &NeuronsGone, results: &Results) -> Table {
    let labels = [REMOVED, BIASES, SOLVED, TUNED];
    let mut columns = ["network", "removed", "by"].map(Column::text).to_vec();
    columns.extend(labels.map(Column::number));
    let mut rows = Vec::new();
    for network in NETWORKS {
        let row = |what: String, by: &str, cells: [String; 4]| {
            let head = [network.name.to_owned(), what, by.to_owned()];
            head.into_iter().chain(cells).collect::<Vec<_>>()
        };
        let cell = |cut, label| cells(&percents(models(results, network, cut, label)), 2);
        let whole = cell(Cut::Whole, "");
        rows.push(row(
            "nothing".into(),
            "",
            [whole, "".into(), "".into(), "".into()],
        ));
        rows.push(row(
            "a layer".into(),
            "the loss without it",
            labels.map(|l| cell(Cut::Layer, l)),
        ));
        for (cut, share, name) in cuts(neurons) {
            let gone = percent(1.0 - share);
            rows.push(row(
                format!("{gone} of the neurons"),
                name,
                labels.map(|l| cell(cut, l)),
            ));
        }
    }
    Table {
        title: "Errors".into(),
        note: format!(
            "The {} in percent: the mean of the seeds, with the least and the largest. Corrected biases and least squares see calibration images without labels; fine-tuning trains.",
            counted(results)
        ),
        columns,
        rows,
    }
}

/// How much of the output error the repairs without training take back.
fn repair_table(neurons: &NeuronsGone, results: &Results) -> Table {
    let mut rows = Vec::new();
    for network in NETWORKS {
        for (cut, share, name) in cuts(neurons) {
            let of = |label| models(results, network, cut, label);
            let errors = |label| numbers(&of(label), OUTPUT_ERROR);
            let removed = errors(REMOVED);
            let recovered = |label| {
                let pairs = errors(label).into_iter().zip(&removed);
                let shares: Vec<f64> = pairs.map(|(e, r)| 100.0 * (1.0 - e / r)).collect();
                cells(&shares, 1)
            };
            let differing: f64 = [REMOVED, BIASES, SOLVED]
                .iter()
                .flat_map(|label| numbers(&of(label), DIFFERING))
                .sum();
            rows.push(vec![
                network.name.to_owned(),
                percent(1.0 - share),
                name.to_owned(),
                cells(&removed, 4),
                recovered(BIASES),
                recovered(SOLVED),
                fixed(differing, 0),
            ]);
        }
    }
    Table {
        title: "Repair without training".into(),
        note: "The output error is ‖z′ − z‖² / ‖z‖² of the logits on validation images; the repairs have not seen these. The last column counts logits that compaction has changed, over all seeds and repairs.".into(),
        columns: vec![
            Column::text("network"),
            Column::number("neurons removed"),
            Column::text("by"),
            Column::number("output error"),
            Column::number("taken back by biases, in %"),
            Column::number("by least squares, in %"),
            Column::number("logits changed by compaction"),
        ],
        rows,
    }
}

fn sizes_table(neurons: &NeuronsGone, results: &Results) -> Table {
    let mut rows = Vec::new();
    for network in NETWORKS {
        let whole = models(results, network, Cut::Whole, "");
        let size = |models: &[&Measured]| {
            let bytes = models.iter().map(|m| m.bytes as f64);
            mean(&bytes.collect::<Vec<_>>())
        };
        let all = size(&whole);
        let mut row = |what: String, models: &[&Measured]| {
            let weights = models.iter().map(|m| m.weights as f64);
            let bytes = size(models);
            rows.push(vec![
                network.name.to_owned(),
                what,
                thousands(mean(&weights.collect::<Vec<_>>()) as u64),
                thousands(bytes as u64),
                fixed(all / bytes, 2),
            ]);
        };
        row("nothing".into(), &whole);
        row(
            "a layer".into(),
            &models(results, network, Cut::Layer, REMOVED),
        );
        for &share in neurons.settings.shares {
            let cut = Cut::Neurons {
                criterion: L2,
                share,
            };
            let gone = percent(1.0 - share);
            row(
                format!("{gone} of the neurons"),
                &models(results, network, cut, REMOVED),
            );
        }
    }
    Table {
        title: "Size".into(),
        note: "Files in full precision, means of the seeds. How long a prediction takes is in timing.json, since it is no part of a report that must be the same everywhere.".into(),
        columns: vec![
            Column::text("network"),
            Column::text("removed"),
            Column::number("weights"),
            Column::number("bytes"),
            Column::number("times smaller"),
        ],
        rows,
    }
}

fn figure(neurons: &NeuronsGone, results: &Results) -> Result<Figure, RunError> {
    let mut all = Vec::new();
    for network in NETWORKS {
        let labels = [REMOVED, BIASES, SOLVED, TUNED];
        let series = labels.map(|label| {
            let at = || {
                neurons.settings.shares.iter().map(|&share| {
                    let cut = Cut::Neurons {
                        criterion: L2,
                        share,
                    };
                    (
                        100.0 * share,
                        percents(models(results, network, cut, label)),
                    )
                })
            };
            let single = at().flat_map(|(x, errors)| errors.into_iter().map(move |y| (x, y)));
            Series {
                label: label.to_owned(),
                points: single.collect(),
                line: points(at()),
                published: false,
            }
        });
        all.extend(plots::lines(&Lines {
            x_title: format!("neurons of the {} that are left, in %", network.name),
            logarithmic: false,
            y_title: format!("{} in %", counted(results)),
            series: series.to_vec(),
        })?);
    }
    Ok(Figure {
        title: "Error against neurons".into(),
        caption: "By the L2 norm. Discs are means, rings are single seeds.".into(),
        plots: all,
    })
}

/// What least squares takes back after the least cut.
fn headline(neurons: &NeuronsGone, results: &Results) -> String {
    let Some(&share) = neurons.settings.shares.first() else {
        return "No neuron was removed".into();
    };
    let cut = Cut::Neurons {
        criterion: L2,
        share,
    };
    let parts = NETWORKS.iter().map(|network| {
        let error = |label| {
            mean(&numbers(
                &models(results, network, cut, label),
                OUTPUT_ERROR,
            ))
        };
        let back = 100.0 * (1.0 - error(SOLVED) / error(REMOVED));
        format!("{} % of the {}’s", fixed(back, 0), network.name)
    });
    format!(
        "With {} of the neurons removed by the L2 norm, least squares without training takes back {} output error",
        percent(1.0 - share),
        parts.collect::<Vec<_>>().join(" and ")
    )
}
