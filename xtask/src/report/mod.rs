//! Reports of an experiment: `report.md` to read in a terminal, `report.json` for snapshots and
//! scripts, `report.html` with plots for everybody else. All three come from one [`Report`] and
//! hold no time, so the same seed writes the same files.

mod html;
mod json;
mod markdown;
mod model;
mod number;
mod palette;
mod plots;
mod summary;
mod tables;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub(crate) use model::{Curve, FrontierPoint, Histogram, LayerDensity, Report, Stage, StoredRow};

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// A file or the folder of the report cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The numbers do not make JSON.
    #[error("cannot write report.json: {0}")]
    Json(#[from] serde_json::Error),
    /// A plot cannot be drawn.
    #[error("cannot draw the plot of {plot}: {reason}")]
    Plot {
        /// Which one.
        plot: &'static str,
        /// The drawing library's reason.
        reason: String,
    },
}

/// Writes `report.md`, `report.json` and `report.html` into `dir`, which is created if missing.
///
/// Each file is written under another name and then renamed, after all three could be written,
/// so that a reader never sees half of one.
///
/// # Errors
/// Where a plot cannot be drawn, or a file cannot be written; the error names the file.
pub(crate) fn write(report: &Report, dir: &Path) -> Result<(), ReportError> {
    let files = [
        ("report.md", markdown::render(report)),
        ("report.json", json::render(report)?),
        ("report.html", html::render(report)?),
    ];
    fs::create_dir_all(dir).map_err(|source| write_error(dir, source))?;
    let mut pending = Pending(Vec::new());
    for (name, text) in &files {
        pending.add(dir.join(name), text)?;
    }
    pending.rename_all()
}

/// Files written but not yet renamed: what is to replace what. Removed where that never happens.
struct Pending(Vec<(PathBuf, PathBuf)>);

impl Pending {
    /// Writes `text` beside `path`.
    fn add(&mut self, path: PathBuf, text: &str) -> Result<(), ReportError> {
        let partial = path.with_added_extension(format!("{}.partial", std::process::id()));
        self.0.push((partial.clone(), path.clone()));
        let written = fs::File::create(&partial).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|source| write_error(&path, source))
    }

    fn rename_all(mut self) -> Result<(), ReportError> {
        while let Some((partial, path)) = self.0.first() {
            fs::rename(partial, path).map_err(|source| write_error(path, source))?;
            self.0.remove(0);
        }
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        for (partial, _) in &self.0 {
            // It may not exist, and there is nobody left to tell.
            let _ = fs::remove_file(partial);
        }
    }
}

fn write_error(path: &Path, source: std::io::Error) -> ReportError {
    ReportError::Write {
        path: path.to_owned(),
        source,
    }
}
