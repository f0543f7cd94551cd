//! `record.md`: the seeds side by side, with mean and spread.

use std::fmt::Write;

use compress_format::coding::meter::Part;

use super::results::{Measured, Results, TeacherErrors};
use super::settings::{Settings, Track};
use crate::experiments::decoded::{PUBLISHED, Published, percent};

/// What the page is made of.
pub(super) struct Summary<'a> {
    pub(super) settings: &'a Settings,
    pub(super) results: &'a Results,
    /// Whether the published figures are of the same task.
    pub(super) compared: bool,
    pub(super) command: String,
    /// The file with the picture of the first student's weights, where there is one.
    pub(super) picture: Option<String>,
}

impl Summary<'_> {
    /// The result in a sentence: means over the seeds.
    pub(super) fn headline(&self) -> String {
        let students = &self.results.students;
        let bytes: Vec<f64> = students.iter().map(|s| s.file.len() as f64).collect();
        let (error, of) = mean_error(self.results, students);
        let (bytes, seeds) = (mean(&bytes), students.len());
        format!("{bytes:.1} bytes and {error:.3} % {of}, means of {seeds} seeds")
    }

    /// The page, as markdown.
    pub(super) fn render(&self) -> String {
        let mut out = head(self.settings.track, &self.headline(), &self.command);
        self.students(&mut out);
        self.parts(&mut out);
        self.picture(&mut out);
        teachers(&self.results.teachers, &mut out);
        if self.compared {
            published(&mut out);
        }
        settings(&self.settings.describe(), &mut out);
        out
    }

    fn students(&self, out: &mut String) {
        push(
            out,
            "## Seeds\n\nThe whole file is counted, and the error is that of the decoded file. The spread is the standard deviation of a seed.\n\n",
        );
        let students = &self.results.students;
        let of = |value: &dyn Fn(&Measured) -> usize| {
            students.iter().map(|s| Some(value(s) as f64)).collect()
        };
        let mut columns = vec![
            Column::of("bytes", 0, of(&|s| s.file.len())),
            Column::of("weights", 0, of(&|s| s.weights)),
            Column::of("as a plain MLP", 0, of(&|s| s.plain_weights)),
        ];
        columns.extend(errors(self.results, students));
        let seeds: Vec<u64> = students.iter().map(|s| s.seed).collect();
        seed_table(&seeds, &columns, out);
    }

    /// What the bytes are spent on, where files are one stream; and the tensors they belong to.
    fn parts(&self, out: &mut String) {
        push(out, "\n## Bytes by part\n\n");
        let students = &self.results.students;
        let spent: Option<Vec<&Vec<(Part, f64)>>> =
            students.iter().map(|s| s.decoded.parts.as_ref()).collect();
        if let Some(spent) = spent {
            let heads: Vec<&str> = Part::ALL.iter().map(|part| part.name()).collect();
            let rows = spent
                .iter()
                .map(|parts| parts.iter().map(|(_, bytes)| *bytes).collect());
            self.shares(&heads, rows.collect(), out);
            push(out, "\n");
        }
        let Some(first) = students.first() else {
            return;
        };
        let names = first.decoded.stored.iter().map(|part| &part.name[..]);
        let heads: Vec<&str> = names.chain(["the rest"]).collect();
        let rows = students.iter().map(|student| {
            let bytes = student.decoded.stored.iter().map(|part| part.bytes);
            let rest = student.file.len().saturating_sub(bytes.clone().sum());
            bytes.chain([rest]).map(|bytes| bytes as f64).collect()
        });
        self.shares(&heads, rows.collect(), out);
    }

    /// A row of bytes for each seed.
    fn shares(&self, heads: &[&str], rows: Vec<Vec<f64>>, out: &mut String) {
        push(out, &format!("| seed | {} |\n", heads.join(" | ")));
        push(out, &format!("| ---: |{}\n", " ---: |".repeat(heads.len())));
        for (student, row) in self.results.students.iter().zip(rows) {
            let cells: Vec<String> = row.iter().map(|bytes| format!("{bytes:.0}")).collect();
            push(
                out,
                &format!("| {} | {} |\n", student.seed, cells.join(" | ")),
            );
        }
    }

    fn picture(&self, out: &mut String) {
        let Some((first, name)) = self.results.students.first().zip(self.picture.as_ref()) else {
            return;
        };
        push(
            out,
            &format!(
                "\n## Weights and the inputs they read\n\nOf seed {}: red is positive, blue is negative.\n\n![The weights of each neuron and layer]({name})\n",
                first.seed
            ),
        );
    }
}

/// How a page begins.
pub(super) fn head(track: Track, headline: &str, command: &str) -> String {
    format!(
        "# Track `{}`\n\n**{headline}.**\n\n```sh\n{command}\n```\n\n",
        track.name()
    )
}

/// The mean error of some students in percent, and of what: of the test set where it is open.
pub(super) fn mean_error(results: &Results, students: &[Measured]) -> (f64, &'static str) {
    let [_, validation, _, test] = errors(results, students).map(|column| column.statistic(mean));
    match (test, validation) {
        (Some(error), _) => (error, "test error"),
        (None, error) => (
            error.unwrap_or(f64::NAN),
            "validation error (the test set stayed shut)",
        ),
    }
}

/// The columns of errors on validation and test images, counted and in percent.
pub(super) fn errors(results: &Results, students: &[Measured]) -> [Column; 4] {
    let counts = |of: &dyn Fn(&Measured) -> Option<usize>| -> Vec<Option<usize>> {
        students.iter().map(of).collect()
    };
    let columns = |name, counts: Vec<Option<usize>>, images: Option<usize>| {
        let count = counts.iter().map(|n| n.map(|n| n as f64)).collect();
        let share = counts.iter().map(|n| Some(percent((*n)?, images?)));
        [
            Column::of(name, 0, count),
            Column::of("%", 2, share.collect()),
        ]
    };
    let validation = counts(&|s| Some(s.validation_errors));
    let [v, v_percent] = columns("validation errors", validation, Some(results.validation));
    let [t, t_percent] = columns("test errors", counts(&|s| s.test_errors), results.test);
    [v, v_percent, t, t_percent]
}

/// The errors of each teacher, and of all together.
pub(super) fn teachers(errors: &TeacherErrors, out: &mut String) {
    push(
        out,
        "\n## Teachers\n\n| | validation errors | test errors |\n| --- | ---: | ---: |\n",
    );
    let count = errors.validation.len();
    for (i, validation) in errors.validation.iter().enumerate() {
        let name = match i + 1 < count {
            true => format!("teacher {}", i + 1),
            false => "all together".into(),
        };
        let test = errors.test.as_ref().and_then(|test| test.get(i));
        let test = test.map_or_else(|| "-".into(), usize::to_string);
        push(out, &format!("| {name} | {validation} | {test} |\n"));
    }
}

/// All settings.
pub(super) fn settings(rows: &[(String, String)], out: &mut String) {
    push(out, "\n## Settings\n\n| | |\n| --- | --- |\n");
    for (name, value) in rows {
        push(out, &format!("| {name} | {value} |\n"));
    }
}

fn published(out: &mut String) {
    push(
        out,
        "\n## Published for this network\n\nHere the whole file is counted, and the final checkpoint measured.\n\n| | bytes | test error % | counted |\n| --- | ---: | ---: | --- |\n",
    );
    for of in PUBLISHED {
        let Published {
            name,
            source,
            bytes,
            error_percent,
            counts,
        } = of;
        push(
            out,
            &format!("| {name}, {source} | {bytes} | {error_percent} | {counts} |\n"),
        );
    }
}

/// A column of numbers by seed.
pub(super) struct Column {
    name: String,
    /// After the point; one more of the mean and the spread.
    digits: usize,
    values: Vec<Option<f64>>,
}

impl Column {
    pub(super) fn of(name: impl Into<String>, digits: usize, values: Vec<Option<f64>>) -> Self {
        Column {
            name: name.into(),
            digits,
            values,
        }
    }

    /// Of all values, where none is missing.
    pub(super) fn statistic(&self, of: fn(&[f64]) -> f64) -> Option<f64> {
        let values: Option<Vec<f64>> = self.values.iter().copied().collect();
        values.map(|values| of(&values))
    }
}

/// A row for each seed, then mean and spread.
pub(super) fn seed_table(seeds: &[u64], columns: &[Column], out: &mut String) {
    push(out, "| seed |");
    for column in columns {
        push(out, &format!(" {} |", column.name));
    }
    push(out, "\n| ---: |");
    push(out, &" ---: |".repeat(columns.len()));
    push(out, "\n");
    for (i, seed) in seeds.iter().enumerate() {
        let cells = columns.iter().map(|c| cell(c.values[i], c.digits));
        push_row(out, &seed.to_string(), cells);
    }
    for (name, of) in [("mean", mean as fn(&[f64]) -> f64), ("spread", spread)] {
        let cells = columns.iter().map(|c| cell(c.statistic(of), c.digits + 1));
        push_row(out, name, cells);
    }
}

/// A number, or a dash where there is none.
pub(super) fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

/// A row of a table.
pub(super) fn push_row(out: &mut String, head: &str, cells: impl Iterator<Item = String>) {
    push(out, &format!("| {head} |"));
    for cell in cells {
        push(out, &format!(" {cell} |"));
    }
    push(out, "\n");
}

pub(super) fn push(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = out.write_str(text);
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation, of a sample; 0 of a single value.
fn spread(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (squares / (values.len() - 1).max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_spread_of_a_sample() {
        assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
        assert_eq!(spread(&[1.0, 3.0]), 2.0_f64.sqrt());
        assert_eq!(spread(&[5.0]), 0.0);
    }
}
