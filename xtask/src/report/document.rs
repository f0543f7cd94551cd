//! What an experiment measured, as a document to be read.

use compress_report::{Document, Fact, Section};

use super::model::Report;
use super::{figures, summary, tables};

/// The stages, which are the result, then plots, then the details.
pub(super) fn document(report: &Report) -> compress_report::Result<Document> {
    let mut sections = vec![Section::Table(tables::stages(report))];
    sections.extend(figures::all(report)?.into_iter().map(Section::Figure));
    let details = [tables::storage, tables::densities, tables::settings];
    sections.extend(details.map(|table| Section::Table(table(report))));
    Ok(Document {
        title: report.experiment.clone(),
        variant: Some(Fact::text("profile", &report.profile)),
        headline: Some(summary::headline(report)),
        facts: vec![
            Fact::text("data set", &report.data),
            Fact::text("seed", report.seed.to_string()),
            Fact::code("model hash", &report.model_hash),
        ],
        command: Some(report.command.clone()),
        sections,
    })
}
