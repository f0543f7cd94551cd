//! The report: the table beside the published one, and the errors against the temperature.

use compress_report::plots::{self, Lines, Series};
use compress_report::{Column, Figure, Section, Table, fixed, thousands};

use super::rows::{ROWS, Row};
use super::{Case, Hinton, SHIFT};
use crate::run::{Profile, RunError};
use crate::sweep::{Measured, Page, cells, counted, mean, points};

type Results = [(Case, Vec<Measured>)];

pub(super) fn page(hinton: &Hinton, results: &Results) -> Result<Page, RunError> {
    let sections = vec![
        Section::Table(main_table(hinton, results)),
        Section::Figure(figure(hinton, results)?),
        Section::Table(classes_table(results)),
    ];
    Ok(Page {
        headline: headline(hinton, results),
        sections,
        settings: hinton.settings.describe(),
    })
}

/// The models of a row that have a label, one for each seed.
fn models<'a>(results: &'a Results, wanted: &Row, label: &str) -> Vec<&'a Measured> {
    let there = results.iter().filter(|(case, _)| match case {
        Case::Student { row, .. } => std::ptr::eq(*row, wanted),
        Case::Teacher { .. } => false,
    });
    let models = there.flat_map(|(_, models)| models);
    models.filter(|model| model.label == label).collect()
}

fn teachers(results: &Results) -> Vec<&Measured> {
    let there = results
        .iter()
        .filter(|(case, _)| matches!(case, Case::Teacher { .. }));
    there.flat_map(|(_, models)| models).collect()
}

fn errors(models: &[&Measured]) -> Vec<f64> {
    models.iter().map(|m| m.errors().total() as f64).collect()
}

/// What the errors are counted on.
fn errors_of(results: &Results) -> String {
    let first = results.iter().flat_map(|(_, models)| models).next();
    let what = first.map_or("", |m| {
        if m.test.is_some() {
            "test"
        } else {
            "validation"
        }
    });
    let of = first.map_or(0, |m| m.errors().of);
    format!("Errors of {} {what} images", thousands(of as u64))
}

/// Whether the errors can stand beside those of the paper.
fn is_published(hinton: &Hinton) -> bool {
    hinton.lab.is_mnist && hinton.lab.profile == Profile::Full
}

fn main_table(hinton: &Hinton, results: &Results) -> Table {
    let seeds = hinton.lab.seeds.iter();
    let mut columns = vec![
        Column::text("network"),
        Column::text("learns from"),
        Column::text("images"),
        Column::number("published"),
        Column::number("mean"),
    ];
    columns.extend(seeds.map(|seed| Column::number(format!("seed {seed}"))));
    let row = |head: [String; 3], published: Option<f64>, models: &[&Measured]| {
        let errors = errors(models);
        let published = published.filter(|_| is_published(hinton));
        let published = published.map_or_else(String::new, |errors| fixed(errors, 0));
        let mut row = head.to_vec();
        row.extend([published, fixed(mean(&errors), 1)]);
        row.extend(errors.iter().map(|e| fixed(*e, 0)));
        row
    };
    let [a, b] = hinton.settings.teacher;
    let head = [
        format!("{a}-{b}, the teacher"),
        "labels".into(),
        "shifted".into(),
    ];
    let mut rows = vec![row(head, Some(67.0), &teachers(results))];
    for student in ROWS {
        let width = student.width(hinton.lab.profile);
        let head = |images: &str| {
            [
                format!("{width}-{width}"),
                student.source(),
                images.to_owned(),
            ]
        };
        let trained = models(results, student, "");
        rows.push(row(head(student.images()), student.published[0], &trained));
        if student.mended.is_some() {
            let images = format!("{}, biases mended", student.images());
            let mended = models(results, student, "mended");
            rows.push(row(head(&images), student.published[1], &mended));
        }
    }
    Table {
        title: "Errors".into(),
        note: format!(
            "{}, by the final network. Published: Hinton, Vinyals, Dean 2015, section 3, of 10,000 test images, one network each; there the biases were mended on the test set, here on validation images. The paper's jitter and dropout are not described further; here an image is shifted by any fraction of a pixel, and all images of a batch drop the same neurons.",
            errors_of(results)
        ),
        columns,
        rows,
    }
}

/// What the students of fewer classes make of those that they have not seen.
fn classes_table(results: &Results) -> Table {
    let mut rows = Vec::new();
    for row in ROWS.iter().filter(|row| row.mended.is_some()) {
        for (label, how) in [("", "as trained"), ("mended", "mended")] {
            let models = models(results, row, label);
            let part = |seen: bool| {
                let of = |model: &&Measured| {
                    let by_class = (0..).zip(&model.errors().by_class);
                    let has = row.classes.unwrap_or(|_| true);
                    let those = by_class.filter(|(class, _)| has(*class) == seen);
                    those.map(|(_, errors)| *errors).sum::<usize>() as f64
                };
                cells(&models.iter().map(of).collect::<Vec<_>>(), 1)
            };
            let shifts: Vec<f64> = models.iter().filter_map(|m| m.number(SHIFT)).collect();
            rows.push(vec![
                row.images().to_owned(),
                how.to_owned(),
                part(true),
                part(false),
                cells(&shifts, 1),
            ]);
        }
    }
    Table {
        title: "Classes that were left out".into(),
        note: "Errors on images of classes that the student saw, and of those that it did not see; and how far the biases were moved. Hinton et al. report 133 errors on threes without 3s, 14 after raising their bias by 3.5; 47.3 % and 13.2 % with 7s and 8s alone, after lowering theirs by 7.6.".into(),
        columns: vec![
            Column::text("images"),
            Column::text("biases"),
            Column::number("errors on seen classes"),
            Column::number("errors on others"),
            Column::number("moved by"),
        ],
        rows,
    }
}

/// A row of this width.
fn rows_of(width: usize) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.hidden == width)
}

fn figure(hinton: &Hinton, results: &Results) -> Result<Figure, RunError> {
    let mut widths: Vec<usize> = ROWS.iter().map(|row| row.hidden).collect();
    widths.dedup();
    widths.sort_unstable();
    widths.dedup();
    let series = widths.iter().rev().map(|&width| {
        let rows = ROWS
            .iter()
            .filter(|r| r.hidden == width && r.classes.is_none());
        let mut at: Vec<(f64, Vec<f64>)> = rows
            .filter_map(|row| {
                let percent = |m: &&Measured| m.errors().percent();
                let models = models(results, row, "");
                Some((
                    f64::from(row.temperature?),
                    models.iter().map(percent).collect(),
                ))
            })
            .collect();
        at.sort_by(|a, b| a.0.total_cmp(&b.0));
        let single = at
            .iter()
            .flat_map(|(x, errors)| errors.iter().map(|y| (*x, *y)));
        let shown = rows_of(width).map_or(width, |row| row.width(hinton.lab.profile));
        Series {
            label: format!("{shown}-{shown}"),
            points: single.collect(),
            line: points(at.into_iter()),
            published: false,
        }
    });
    let plot = plots::lines(&Lines {
        x_title: "temperature of the teacher's answers".into(),
        logarithmic: true,
        y_title: format!("{} in %", counted(results)),
        series: series.collect(),
    })?;
    Ok(Figure {
        title: "Temperature".into(),
        caption: "Students of three widths, on all images. Discs are means, rings single seeds."
            .into(),
        plots: plot.into_iter().collect(),
    })
}

/// The three numbers of the paper's section.
fn headline(hinton: &Hinton, results: &Results) -> String {
    let of = |temperature: Option<f32>| {
        let row = ROWS
            .iter()
            .find(|row| row.hidden == 800 && row.temperature == temperature);
        errors(&row.map_or_else(Vec::new, |row| models(results, row, "")))
    };
    let parts = [
        ("teacher", errors(&teachers(results)), 67),
        ("student from labels", of(None), 146),
        ("student from the teacher at T = 20", of(Some(20.0)), 74),
    ];
    let parts = parts.map(|(name, errors, published)| {
        let published = match is_published(hinton) {
            true => format!(" (published: {published})"),
            false => String::new(),
        };
        format!("{name} {}{published}", fixed(mean(&errors), 1))
    });
    format!("{}, means: {}", errors_of(results), parts.join(", "))
}
