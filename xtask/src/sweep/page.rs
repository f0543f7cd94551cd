//! The report of an experiment of many runs.

use compress_report::{Column, Document, Fact, Section, Table, fixed, rounded};
use serde::Serialize;

use super::measured::Measured;

use crate::run::{Prediction, Run, RunError};

/// What an experiment's runs show.
pub(crate) struct Page {
    /// The result in a sentence, without the full stop.
    pub(crate) headline: String,
    /// Tables and plots, the most important first.
    pub(crate) sections: Vec<Section>,
    /// Name and value of each setting.
    pub(crate) settings: Vec<(String, String)>,
}

/// What the errors of a report are: those on the test set, where it was opened.
pub(crate) fn counted<C>(results: &[(C, Vec<Measured>)]) -> &'static str {
    let mut models = results.iter().flat_map(|(_, models)| models);
    match models.any(|model| model.test.is_some()) {
        true => "test error",
        false => "validation error",
    }
}

/// The errors of some models in percent, those that the report is about.
pub(crate) fn percents<'a>(models: impl IntoIterator<Item = &'a Measured>) -> Vec<f64> {
    models
        .into_iter()
        .map(|model| model.errors().percent())
        .collect()
}

/// Their mean error on the validation images in percent: what is chosen is chosen by it.
pub(crate) fn mean_validation<'a>(models: impl IntoIterator<Item = &'a Measured>) -> f64 {
    let errors = models.into_iter().map(|model| model.validation.percent());
    mean(&errors.collect::<Vec<_>>())
}

/// Names and values as a page takes its settings.
pub(crate) fn named<const N: usize>(rows: [(&str, String); N]) -> Vec<(String, String)> {
    rows.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// The mean of some numbers.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The mean and, where there are several, the least and the largest in brackets.
pub(crate) fn cells(values: &[f64], decimals: usize) -> String {
    let text = fixed(mean(values), decimals);
    match values {
        [] => String::new(),
        [_] => text,
        _ => {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            format!(
                "{text} ({} to {})",
                fixed(least, decimals),
                fixed(largest, decimals)
            )
        }
    }
}

/// The points of a line in a plot, from x and the numbers of all seeds there.
pub(crate) fn points(of: impl Iterator<Item = (f64, Vec<f64>)>) -> Vec<(f64, f64)> {
    of.map(|(x, values)| (x, mean(&values))).collect()
}

#[derive(Serialize)]
struct Json<'a> {
    experiment: &'a str,
    profile: &'a str,
    data: String,
    seed: u64,
    validation_samples: usize,
    /// Null where the test set stayed shut.
    test_samples: Option<usize>,
    runs: Vec<JsonRun<'a>>,
}

#[derive(Serialize)]
struct JsonRun<'a> {
    run: &'a str,
    models: Vec<JsonModel<'a>>,
}

#[derive(Serialize)]
struct JsonModel<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'a str,
    bytes: usize,
    weights: usize,
    live: usize,
    validation_errors: usize,
    test_errors: Option<usize>,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    numbers: serde_json::Map<String, serde_json::Value>,
}

impl Page {
    /// Writes `report.md`, `report.json` and `report.html`, and says where they are.
    pub(super) fn write<C>(
        mut self,
        run: &Run,
        names: &[String],
        results: &[(C, Vec<Measured>)],
    ) -> Result<(), RunError> {
        let models = || results.iter().flat_map(|(_, models)| models);
        let first = models().next();
        let json = compress_report::json(&Json {
            experiment: run.experiment,
            profile: run.profile.name(),
            data: run.data(),
            seed: run.seed,
            validation_samples: first.map_or(0, |m| m.validation.of),
            test_samples: first.and_then(|m| m.test.as_ref()).map(|test| test.of),
            runs: names
                .iter()
                .zip(results)
                .map(|(n, (_, m))| json_run(n, m))
                .collect(),
        })?;
        let settings = run.described(std::mem::take(&mut self.settings));
        self.sections.push(Section::Table(Table {
            title: "Settings".into(),
            note: "All else follows from them and the seed.".into(),
            columns: vec![Column::text("setting"), Column::text("value")],
            rows: settings
                .into_iter()
                .map(|(name, value)| vec![name, value])
                .collect(),
        }));
        let document = Document {
            title: run.experiment.to_owned(),
            variant: Some(Fact::text("profile", run.profile.name())),
            headline: Some(self.headline),
            facts: vec![
                Fact::text("data set", run.data()),
                Fact::text("first seed", run.seed.to_string()),
                Fact::text("models", models().count().to_string()),
            ],
            command: Some(run.command()),
            sections: self.sections,
        };
        run.finish_document(&document, json, &predictions(names, results))
    }
}

/// How long the models of all runs take, where they were timed.
fn predictions<C>(names: &[String], results: &[(C, Vec<Measured>)]) -> Vec<Prediction> {
    let runs = names.iter().zip(results);
    let models = runs.flat_map(|(name, (_, models))| models.iter().map(move |m| (name, m)));
    let timed = models.filter_map(|(name, model)| {
        let microseconds = model.microseconds?;
        let widths: Vec<String> = model.widths.iter().map(usize::to_string).collect();
        let model = format!("{}, as of {name}", widths.join("-"));
        Some(Prediction {
            model,
            microseconds,
        })
    });
    timed.collect()
}

fn json_run<'a>(name: &'a str, models: &'a [Measured]) -> JsonRun<'a> {
    let models = models.iter().map(|model| JsonModel {
        label: &model.label,
        bytes: model.bytes,
        weights: model.weights,
        live: model.live,
        validation_errors: model.validation.total(),
        test_errors: model.test.as_ref().map(|test| test.total()),
        numbers: model
            .numbers
            .iter()
            .map(|(name, value)| (name.clone(), rounded(*value, 6).into()))
            .collect(),
    });
    JsonRun {
        run: name,
        models: models.collect(),
    }
}
