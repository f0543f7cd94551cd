//! The report: the table beside the published one, and the errors against the temperature.

use compress_report::plots::{self, Lines, Series};
use compress_report::{Column, Figure, Section, Table, fixed};

use super::rows::{ROWS, Row};
use super::{Case, Hinton, SHIFT};
use crate::run::RunError;
use crate::sweep::{Measured, Page, cells, mean, points};

type Results = [(Case, Vec<Measured>)];

pub(super) fn page(hinton: &Hinton, results: &Results) -> Result<Page, RunError> {
    let sections = vec![
        Section::Table(main_table(hinton, results)),
        Section::Figure(figure(results)?),
        Section::Table(classes_table(results)),
    ];
    Ok(Page {
        headline: headline(results),
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
fn counted(results: &Results) -> String {
    let first = results.iter().flat_map(|(_, models)| models).next();
    let what = first.map_or("", |m| {
        if m.test.is_some() {
            "test"
        } else {
            "validation"
        }
    });
    format!(
        "errors of {} {what} images",
        first.map_or(0, |m| m.errors().of)
    )
}

fn main_table(hinton: &Hinton, results: &Results) -> Table {
    let seeds = hinton.seeds.iter();
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
            "{}, by the final network. Published: Hinton, Vinyals, Dean 2015, section 3, of 10,000 test images, one network each; there the biases were mended on the test set, here on validation images.",
            sentence(&counted(results))
        ),
        columns,
        rows,
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
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

fn figure(results: &Results) -> Result<Figure, RunError> {
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
        Series {
            label: format!("{width}-{width}"),
            points: single.collect(),
            line: points(at.into_iter()),
            published: false,
        }
    });
    let plot = plots::lines(&Lines {
        x_title: "temperature of the teacher's answers".into(),
        logarithmic: true,
        y_title: "error in %".into(),
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
fn headline(results: &Results) -> String {
    let of = |temperature: Option<f32>| {
        let row = ROWS
            .iter()
            .find(|row| row.hidden == 800 && row.temperature == temperature);
        mean(&errors(
            &row.map_or_else(Vec::new, |row| models(results, row, "")),
        ))
    };
    format!(
        "{}, means: teacher {} (published: 67), student from labels {} (146), student from the teacher at T = 20 {} (74)",
        sentence(&counted(results)),
        fixed(mean(&errors(&teachers(results))), 1),
        fixed(of(None), 1),
        fixed(of(Some(20.0)), 1)
    )
}
