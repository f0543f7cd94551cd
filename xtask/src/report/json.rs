//! `report.json`: what a snapshot compares. Only what must not change without a reason is in it,
//! rounded, so that a snapshot is stable and a difference in it can be read.

use compress_report::rounded;
use serde::Serialize;

use super::model::{Report, Stage};

#[derive(Serialize)]
struct JsonReport<'a> {
    experiment: &'a str,
    profile: &'a str,
    seed: u64,
    model_hash: &'a str,
    stages: Vec<JsonStage<'a>>,
}

#[derive(Serialize)]
struct JsonStage<'a> {
    stage: &'a str,
    parameters: usize,
    nonzero: usize,
    bytes: usize,
    /// Two decimals.
    ratio: f64,
    /// Three decimals.
    validation_error_percent: f64,
    /// Null where the test set stayed shut.
    test_errors: Option<usize>,
}

/// The file's text, ending in a newline.
pub(super) fn render(report: &Report) -> compress_report::Result<String> {
    compress_report::json(&JsonReport {
        experiment: &report.experiment,
        profile: &report.profile,
        seed: report.seed,
        model_hash: &report.model_hash,
        stages: report.stages.iter().map(stage).collect(),
    })
}

fn stage(stage: &Stage) -> JsonStage<'_> {
    JsonStage {
        stage: &stage.stage,
        parameters: stage.parameters,
        nonzero: stage.nonzero,
        bytes: stage.bytes,
        ratio: rounded(stage.ratio, 2),
        validation_error_percent: rounded(stage.validation_error_percent, 3),
        test_errors: stage.test_errors,
    }
}
