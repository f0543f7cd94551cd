//! The end of a run: its files, and what the terminal shows of them.

use compress_core::file;
use compress_report::{Document, thousands};
use serde::Serialize;

use super::{Run, RunError, StageTime};
use crate::output::say;
use crate::report::{self, Report};

#[derive(Serialize)]
struct Timing<'a> {
    total_seconds: f64,
    threads: usize,
    isa: &'static str,
    stages: &'a [StageTime],
    /// Microseconds per image of models, one by one and in batches, where they were measured.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    predictions: &'a [Prediction],
}

/// How long a model takes for an image.
#[derive(Serialize)]
pub(crate) struct Prediction {
    pub(crate) model: String,
    /// One by one and in batches.
    pub(crate) microseconds: [f64; 2],
}

impl Run {
    /// Writes the report, the model and the times, and says on the terminal where they are.
    pub(crate) fn finish(&self, report: &Report, model: &[u8]) -> Result<(), RunError> {
        self.finish_with(report, None, &[("model.cmp".into(), model)])
    }

    /// The same with any other files, and a page to be shown.
    pub(crate) fn finish_with(
        &self,
        report: &Report,
        page: Option<&str>,
        files: &[(String, &[u8])],
    ) -> Result<(), RunError> {
        let (seconds, timing) = self.timing(&[])?;
        let files = files.iter().map(|(name, bytes)| (name.as_str(), *bytes));
        let others: Vec<(&str, &[u8])> = files.chain([("timing.json", &timing[..])]).collect();
        report::write(report, &others, &self.out)?;
        if let Some(page) = page {
            say!("\n{page}")?;
        }
        print_stages(report)?;
        say!(
            "\n{seconds:.0} s; model hash {}\nreport: {}",
            &report.model_hash[..16],
            self.out.join("report.html").display()
        )?;
        Ok(())
    }

    /// Writes a document as a report, with the numbers in it as JSON, and the times; then shows the
    /// result and says where it is.
    pub(crate) fn finish_document(
        &self,
        document: &Document,
        json: String,
        predictions: &[Prediction],
    ) -> Result<(), RunError> {
        let (seconds, timing) = self.timing(predictions)?;
        report::write_document(document, json, &[("timing.json", &timing[..])], &self.out)?;
        say!(
            "\n{}\n{seconds:.0} s; report: {}",
            document.markdown(),
            self.out.join("report.html").display()
        )?;
        Ok(())
    }

    /// Writes these files alone and the times, all or none, then shows the page and says where the
    /// first file is.
    pub(crate) fn finish_without_report(
        &self,
        page: &str,
        files: &[(String, &[u8])],
    ) -> Result<(), RunError> {
        let (seconds, timing) = self.timing(&[])?;
        let named = files
            .iter()
            .map(|(name, bytes)| (self.out.join(name), *bytes));
        let all: Vec<_> = named
            .chain([(self.out.join("timing.json"), &timing[..])])
            .collect();
        file::write_all(&all)?;
        say!("\n{page}")?;
        if let Some((path, _)) = all.first() {
            say!("\n{seconds:.0} s; written to {}", path.display())?;
        }
        Ok(())
    }

    /// How long the run took in seconds, and `timing.json`.
    fn timing(&self, predictions: &[Prediction]) -> Result<(f64, Vec<u8>), RunError> {
        let times = self.times.borrow();
        let timing = Timing {
            total_seconds: self.started.elapsed().as_secs_f64(),
            threads: rayon::current_num_threads(),
            isa: compress_core::isa::Isa::active()?.name(),
            stages: &times,
            predictions,
        };
        Ok((timing.total_seconds, serde_json::to_vec_pretty(&timing)?))
    }
}

/// The table of stages, for a terminal.
fn print_stages(report: &Report) -> Result<(), RunError> {
    let of = report.test_samples.unwrap_or(0);
    let head = match report.test_samples {
        Some(_) => format!("errors of {}", thousands(of as u64)),
        None => "test errors".into(),
    };
    say!(
        "\n{:<40} {:>10} {:>9} {:>10} {:>7}  {:>10}  {head:>16}",
        "stage",
        "parameters",
        "nonzero",
        "bytes",
        "ratio",
        "validation"
    )?;
    for s in &report.stages {
        let test = s
            .test_errors
            .map_or_else(|| "not opened".into(), |errors| errors.to_string());
        say!(
            "{:<40} {:>10} {:>9} {:>10} {:>6.1}x  {:>8.2} %  {test:>16}",
            s.stage,
            s.parameters,
            s.nonzero,
            s.bytes,
            s.ratio,
            s.validation_error_percent
        )?;
    }
    Ok(())
}
