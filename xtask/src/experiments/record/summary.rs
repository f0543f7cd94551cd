//! `record.md`: the seeds side by side, with mean and spread.

use std::fmt::Write;

use super::measure::{Measured, TeacherErrors};
use super::settings::{Settings, Track};
use crate::experiments::decoded::{PUBLISHED, percent};

/// What the page is made of.
pub(super) struct Summary<'a> {
    pub(super) settings: &'a Settings,
    pub(super) teachers: &'a TeacherErrors,
    pub(super) students: &'a [Measured],
    /// How many images errors are counted on.
    pub(super) validation: usize,
    pub(super) test: Option<usize>,
    pub(super) command: String,
    /// The file with the picture of the first student's weights, where there is one.
    pub(super) picture: Option<String>,
}

impl Summary<'_> {
    /// The result in a sentence: means over the seeds.
    pub(super) fn headline(&self) -> String {
        let bytes: Vec<f64> = self.students.iter().map(|s| s.file.len() as f64).collect();
        let of = |errors: &dyn Fn(&Measured) -> Option<usize>, images: usize| {
            let errors = self.students.iter().map(errors);
            let percents = errors.map(|errors| Some(percent(errors?, images)));
            Some(mean(&percents.collect::<Option<Vec<f64>>>()?))
        };
        let test = self.test.and_then(|images| of(&|s| s.test_errors, images));
        let error = match test {
            Some(error) => format!("{error:.3} % test error"),
            None => {
                let error = of(&|s| Some(s.validation_errors), self.validation);
                let error = error.unwrap_or(f64::NAN);
                format!("{error:.3} % validation error (the test set stayed shut)")
            }
        };
        let seeds = self.students.len();
        format!(
            "{:.1} bytes and {error}, means of {seeds} seeds",
            mean(&bytes)
        )
    }

    /// The page, as markdown.
    pub(super) fn render(&self) -> String {
        let mut out = format!(
            "# Track `{}`\n\n**{}.**\n\n```sh\n{}\n```\n\n",
            self.settings.track.name(),
            self.headline(),
            self.command
        );
        self.students(&mut out);
        self.parts(&mut out);
        self.picture(&mut out);
        self.teachers(&mut out);
        if self.settings.track == Track::Pixels {
            published(&mut out);
        }
        self.of_settings(&mut out);
        out
    }

    fn students(&self, out: &mut String) {
        push(
            out,
            "## Seeds\n\nThe whole file is counted, and the error is that of the decoded file. The spread is the standard deviation of a seed.\n\n",
        );
        push(
            out,
            "| seed | bytes | weights | as a plain MLP | validation errors | % | test errors | % |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        let columns: Vec<[Option<f64>; 7]> =
            self.students.iter().map(|s| self.columns(s)).collect();
        for (student, columns) in self.students.iter().zip(&columns) {
            push_row(
                out,
                &student.seed.to_string(),
                columns,
                &[0, 0, 0, 0, 2, 0, 2],
            );
        }
        let gather = |i: usize| columns.iter().map(|c| c[i]).collect::<Option<Vec<f64>>>();
        let statistic = |of: fn(&[f64]) -> f64| -> [Option<f64>; 7] {
            std::array::from_fn(|i| gather(i).map(|values| of(&values)))
        };
        let digits = &[1, 1, 1, 1, 3, 1, 3];
        push_row(out, "mean", &statistic(mean), digits);
        push_row(out, "spread", &statistic(spread), digits);
    }

    fn columns(&self, student: &Measured) -> [Option<f64>; 7] {
        [
            Some(student.file.len() as f64),
            Some(student.weights as f64),
            Some(student.plain_weights as f64),
            Some(student.validation_errors as f64),
            Some(percent(student.validation_errors, self.validation)),
            student.test_errors.map(|errors| errors as f64),
            student
                .test_errors
                .zip(self.test)
                .map(|(errors, of)| percent(errors, of)),
        ]
    }

    fn parts(&self, out: &mut String) {
        push(out, "\n## Bytes by part\n\n| seed |");
        let Some(first) = self.students.first() else {
            return;
        };
        for part in &first.decoded.stored {
            push(out, &format!(" {} |", part.name));
        }
        push(out, " the rest |\n| ---: |");
        push(out, &" ---: |".repeat(first.decoded.stored.len() + 1));
        for student in self.students {
            push(out, &format!("\n| {} |", student.seed));
            for part in &student.decoded.stored {
                push(out, &format!(" {} |", part.bytes));
            }
            let stored: usize = student.decoded.stored.iter().map(|part| part.bytes).sum();
            push(out, &format!(" {} |", student.file.len() - stored));
        }
        push(out, "\n");
    }

    fn picture(&self, out: &mut String) {
        let Some((first, name)) = self.students.first().zip(self.picture.as_ref()) else {
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

    fn teachers(&self, out: &mut String) {
        push(
            out,
            "\n## Teachers\n\n| | validation errors | test errors |\n| --- | ---: | ---: |\n",
        );
        let count = self.teachers.validation.len();
        for (i, errors) in self.teachers.validation.iter().enumerate() {
            let name = match i + 1 < count {
                true => format!("teacher {}", i + 1),
                false => "all together".into(),
            };
            let test = self.teachers.test.as_ref().and_then(|test| test.get(i));
            let test = test.map_or_else(|| "-".into(), usize::to_string);
            push(out, &format!("| {name} | {errors} | {test} |\n"));
        }
    }

    fn of_settings(&self, out: &mut String) {
        push(out, "\n## Settings\n\n| | |\n| --- | --- |\n");
        for (name, value) in self.settings.describe() {
            push(out, &format!("| {name} | {value} |\n"));
        }
    }
}

fn published(out: &mut String) {
    push(
        out,
        "\n## Published for this network\n\n| | bytes | % |\n| --- | ---: | ---: |\n",
    );
    for (name, bytes, percent) in PUBLISHED {
        push(out, &format!("| {name} | {bytes} | {percent} |\n"));
    }
}

fn push_row(out: &mut String, head: &str, columns: &[Option<f64>; 7], digits: &[usize; 7]) {
    push(out, &format!("| {head} |"));
    for (column, &digits) in columns.iter().zip(digits) {
        let cell = column.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"));
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
