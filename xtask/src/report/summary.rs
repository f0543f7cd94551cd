//! The result in one sentence.

use compress_report::{error_percent, fixed, thousands};

use super::model::{Report, Stage};

/// As in "2,820 bytes, 378 times smaller than “student” (1,066,440 bytes), 1.57 % test error (157
/// of 10,000)": the last stage, compared with the first one whose ratio is 1.
pub(super) fn headline(report: &Report) -> String {
    if let Some(headline) = &report.headline {
        return headline.clone();
    }
    let Some(result) = report.stages.last() else {
        return "No stage was run.".to_owned();
    };
    let bytes = thousands(result.bytes as u64);
    let comparison = comparison(report, result);
    format!("{bytes} bytes{comparison}, {}", error(report, result))
}

fn comparison(report: &Report, result: &Stage) -> String {
    let is_original = |stage: &&Stage| (stage.ratio - 1.0).abs() < 0.005;
    if is_original(&result) || !(result.ratio.is_finite() && result.ratio > 0.0) {
        return String::new();
    }
    let original = match report.stages.iter().find(is_original) {
        Some(stage) => {
            let bytes = thousands(stage.bytes as u64);
            format!("“{}” ({bytes} bytes)", stage.stage)
        }
        None => "the dense f32 original".to_owned(),
    };
    if result.ratio > 1.0 {
        format!(", {} times smaller than {original}", times(result.ratio))
    } else {
        let times = times(1.0 / result.ratio);
        format!(", {times} times larger than {original}")
    }
}

/// Three digits are enough to be remembered.
fn times(ratio: f64) -> String {
    fixed(ratio, if ratio < 100.0 { 1 } else { 0 })
}

fn error(report: &Report, result: &Stage) -> String {
    match (result.test_errors, report.test_samples) {
        (Some(errors), Some(samples)) if samples > 0 => format!(
            "{} % test error ({} of {})",
            error_percent(errors, samples),
            thousands(errors as u64),
            thousands(samples as u64)
        ),
        _ => format!(
            "{} % validation error (the test set stayed shut)",
            fixed(result.validation_error_percent, 2)
        ),
    }
}
