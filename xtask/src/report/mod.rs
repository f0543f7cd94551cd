//! Reports of an experiment: `report.md` to read in a terminal, `report.json` for snapshots and
//! scripts, `report.html` with plots for everybody else. All three come from one [`Report`] and
//! hold no time, so the same seed writes the same files.

mod document;
mod figures;
mod json;
mod model;
mod summary;
mod tables;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use compress_core::file;
use compress_report::Document;
use compress_report::plots::{Svg, picture};

pub(crate) use model::{Curve, LayerDensity, Report, Stage, StoredRow};

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// A file cannot be written.
    #[error("cannot write the report: {0}")]
    File(#[from] compress_core::Error),
    /// The folder of the report cannot be made.
    #[error("cannot make the folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A plot cannot be drawn, or the numbers do not make JSON.
    #[error(transparent)]
    Text(#[from] compress_report::Error),
}

/// The final model's weights, and how many of them read each pixel, as a file of SVG; `None` where
/// the report holds no weights.
pub(crate) fn weights_picture(report: &Report) -> Option<Svg> {
    picture(&report.weights, report.image_width, &report.pixel_use)
}

/// Writes `report.md`, `report.json`, `report.html` and `others` (names and bytes) into `dir`, which
/// is created if missing.
///
/// No file gets its name before all could be written, so that a reader never sees half of one,
/// nor a report beside the model of an earlier run.
///
/// # Errors
/// Where a plot cannot be drawn, or a file cannot be written; the error names the file.
pub(crate) fn write(
    report: &Report,
    others: &[(&str, &[u8])],
    dir: &Path,
) -> Result<(), ReportError> {
    let document = document::document(report)?;
    write_document(&document, json::render(report)?, others, dir)
}

/// The same of a document and its numbers.
///
/// # Errors
/// Where a file cannot be written; the error names the file.
pub(crate) fn write_document(
    document: &Document,
    json: String,
    others: &[(&str, &[u8])],
    dir: &Path,
) -> Result<(), ReportError> {
    let texts = [
        ("report.md", document.markdown()),
        ("report.json", json),
        ("report.html", document.html()),
    ];
    std::fs::create_dir_all(dir).map_err(|source| ReportError::Folder {
        path: dir.to_owned(),
        source,
    })?;
    let texts = texts.iter().map(|(name, text)| (*name, text.as_bytes()));
    let files = texts.chain(others.iter().copied());
    let files: Vec<_> = files.map(|(name, bytes)| (dir.join(name), bytes)).collect();
    Ok(file::write_all(&files)?)
}
