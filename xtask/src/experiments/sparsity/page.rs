//! The report: the errors of all methods and densities, and a plot of them.

use compress_report::plots::{self, Lines, Series};
use compress_report::{Column, Figure, Section, Table, fixed};

use super::at_once::{self, Kept};
use super::methods::METHODS;
use super::published::{PUBLISHED, best_at};
use super::{Case, Sparsity};
use crate::run::{Profile, RunError};
use crate::sweep::{Measured, Page, cells, counted, mean, mean_validation, percents, points};

type Results = [(Case, Vec<Measured>)];

pub(super) fn page(sparsity: &Sparsity, results: &Results) -> Result<Page, RunError> {
    let mut sections = vec![Section::Table(main_table(sparsity, results))];
    sections.push(Section::Figure(figure(sparsity, results)?));
    sections.push(Section::Table(at_once_table(results)));
    sections.push(Section::Table(seeds_table(sparsity, results)));
    if is_published(sparsity) {
        sections.push(Section::Table(published_table()));
    }
    Ok(Page {
        headline: headline(sparsity, results),
        sections,
        settings: sparsity.settings.describe(),
    })
}

/// Whether others published figures for what this run is about.
fn is_published(sparsity: &Sparsity) -> bool {
    sparsity.lab.is_mnist && sparsity.lab.profile == Profile::Full
}

/// The students of a method at a level, one for each seed.
fn models<'a>(results: &'a Results, name: &str, level: usize) -> Vec<&'a Measured> {
    those(results, |case| match case {
        Case::Pruned {
            method, level: at, ..
        } => method.name == name && *at == level,
        _ => false,
    })
}

/// The models of all runs of these cases.
fn those(results: &Results, wanted: impl Fn(&Case) -> bool) -> Vec<&Measured> {
    let there = results.iter().filter(|(case, _)| wanted(case));
    there.flat_map(|(_, models)| models).collect()
}

/// The errors in percent of a method at a level.
fn errors(results: &Results, name: &str, level: usize) -> Vec<f64> {
    percents(models(results, name, level))
}

/// The errors in percent of students that were not pruned.
fn dense(results: &Results, wanted: bool) -> Vec<f64> {
    let is_wanted = |case: &Case| matches!(case, Case::Dense { taught, .. } if *taught == wanted);
    percents(those(results, is_wanted))
}

fn main_table(sparsity: &Sparsity, results: &Results) -> Table {
    let levels = sparsity.settings.levels;
    let mut columns = vec![Column::text("method")];
    columns.extend(
        levels
            .iter()
            .map(|l| Column::number(format!("{} %", l.percent()))),
    );
    let mut rows: Vec<Vec<String>> = METHODS
        .iter()
        .map(|method| {
            let cell = |level| cells(&errors(results, method.name, level), 2);
            let cells = (0..levels.len()).map(cell);
            std::iter::once(method.name.to_owned())
                .chain(cells)
                .collect()
        })
        .collect();
    if is_published(sparsity) {
        let best = levels.iter().map(|level| {
            let best = best_at(100.0 * level.density);
            best.map_or_else(String::new, |best| fixed(best, 2))
        });
        rows.push(
            std::iter::once("best published".to_owned())
                .chain(best)
                .collect(),
        );
    }
    Table {
        title: "Error by method and density".into(),
        note: format!(
            "The {} in percent of the final network: the mean of the seeds, with the least and the largest. Columns are the share of the weights that is left. A student that is not pruned has {}, one from the teacher {}. Only methods named “from a teacher” have one; none sees augmented images. The settings were chosen for second moments, cubic, and serve all methods.",
            counted(results),
            cells(&dense(results, false), 2),
            cells(&dense(results, true), 2),
        ),
        columns,
        rows,
    }
}

fn seeds_table(sparsity: &Sparsity, results: &Results) -> Table {
    let mut columns = vec![Column::text("method"), Column::number("weights left")];
    columns.extend(
        sparsity
            .lab
            .seeds
            .iter()
            .map(|seed| Column::number(format!("seed {seed}"))),
    );
    let mut rows = Vec::new();
    for method in METHODS {
        for (level, of) in sparsity.settings.levels.iter().enumerate() {
            let errors = errors(results, method.name, level);
            let errors = errors.iter().map(|error| fixed(*error, 2));
            let head = [method.name.to_owned(), format!("{} %", of.percent())];
            rows.push(head.into_iter().chain(errors).collect());
        }
    }
    Table {
        title: "Every seed".into(),
        note: format!("The {} in percent.", counted(results)),
        columns,
        rows,
    }
}

/// Whole networks pruned at once: errors, and output errors by layer.
fn at_once_table(results: &Results) -> Table {
    let layers = ["layers.0.weight", "layers.1.weight", "layers.2.weight"];
    let mut columns = ["network", "weights left", "method"]
        .map(Column::text)
        .to_vec();
    columns.push(Column::number(format!("{} in %", counted(results))));
    columns.extend(
        layers
            .map(|l| Column::number(format!("output error of {}", l.trim_end_matches(".weight")))),
    );
    let mut rows = Vec::new();
    for (is_teacher, whole) in [(false, "student"), (true, "teacher")] {
        for wanted in Kept::ALL {
            let models = those(
                results,
                |case| matches!(case, Case::AtOnce { teacher, kept, .. } if *teacher == is_teacher && *kept == wanted),
            );
            for method in at_once::METHODS {
                let models: Vec<_> = models
                    .iter()
                    .copied()
                    .filter(|m| m.label == method)
                    .collect();
                let errors = percents(models.iter().copied());
                let mut row = [whole, wanted.name(), method].map(str::to_owned).to_vec();
                row.push(cells(&errors, 2));
                row.extend(layers.map(|layer| {
                    let name = at_once::error_of(layer);
                    let errors: Vec<f64> = models.iter().filter_map(|m| m.number(&name)).collect();
                    cells(&errors, 5)
                }));
                rows.push(row);
            }
        }
    }
    Table {
        title: "Pruned at once, without training".into(),
        note: "The dense student from labels and the teacher, each layer pruned by itself on calibration images. The output error is ‖X·(W′ − W)ᵀ‖² / ‖X·Wᵀ‖² of a layer on validation images, where X is what it reads in the whole network.".into(),
        columns,
        rows,
    }
}

fn published_table() -> Table {
    let rows = PUBLISHED.iter().flat_map(|published| {
        published.points.iter().map(|(percent, error)| {
            vec![
                published.name.to_owned(),
                format!("{percent} %"),
                fixed(*error, 2),
                published.source.to_owned(),
            ]
        })
    });
    Table {
        title: "Published".into(),
        note: "LeNet-300-100 on MNIST, without a teacher; test error in percent.".into(),
        columns: vec![
            Column::text("method"),
            Column::number("weights left"),
            Column::number("test error"),
            Column::text("source"),
        ],
        rows: rows.collect(),
    }
}

fn figure(sparsity: &Sparsity, results: &Results) -> Result<Figure, RunError> {
    let levels = sparsity.settings.levels;
    let at = |level: usize| 100.0 * levels[level].density;
    let ours = METHODS.iter().filter(|method| method.drawn).map(|method| {
        let of = |level| (at(level), errors(results, method.name, level));
        let single = (0..levels.len())
            .map(of)
            .flat_map(|(x, errors)| errors.into_iter().map(move |y| (x, y)).collect::<Vec<_>>());
        Series {
            label: method.name.to_owned(),
            points: single.collect(),
            line: points((0..levels.len()).map(of)),
            published: false,
        }
    });
    let mut series: Vec<Series> = ours.collect();
    if is_published(sparsity) {
        series.extend(PUBLISHED.iter().map(|published| Series {
            label: published.name.to_owned(),
            line: Vec::new(),
            points: published.points.to_vec(),
            published: true,
        }));
    }
    let plot = plots::lines(&Lines {
        x_title: "weights left in %".into(),
        logarithmic: true,
        y_title: format!("{} in %", counted(results)),
        series,
    })?;
    Ok(Figure {
        title: "Error against density".into(),
        caption: "Discs are means, rings are single seeds; grey rings were published. Lower left is better.".into(),
        plots: plot.into_iter().collect(),
    })
}

/// The best method without a teacher at each density, chosen by the validation images.
fn headline(sparsity: &Sparsity, results: &Results) -> String {
    let best = sparsity
        .settings
        .levels
        .iter()
        .enumerate()
        .filter_map(|(i, level)| {
            let plain = METHODS.iter().filter(|method| !method.taught);
            let means = plain.map(|m| (mean_validation(models(results, m.name, i)), m.name));
            let (_, name) = means.min_by(|a, b| a.0.total_cmp(&b.0))?;
            let error = fixed(mean(&errors(results, name, i)), 2);
            Some(format!(
                "{error} % at {} % of the weights ({name})",
                level.percent()
            ))
        });
    format!(
        "Mean {} without a teacher, by the method with the fewest validation errors: {}",
        counted(results),
        best.collect::<Vec<_>>().join(", ")
    )
}
