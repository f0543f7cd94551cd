//! What can go wrong in an experiment.

use std::path::PathBuf;

use crate::data::{self, Shape};
use crate::output::OutputError;
use crate::report;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("the track {track} has no target of {bytes} bytes; its targets are: {known}")]
    NoTarget {
        track: &'static str,
        bytes: usize,
        known: String,
    },
    #[error("the track density has no level of {percent} %; its levels are: {known}")]
    NoLevel { percent: usize, known: String },
    #[error("the track {track} takes no {option}: leave it out, or take {takers}")]
    NotOfTrack {
        track: &'static str,
        option: &'static str,
        takers: String,
    },
    #[error("cannot write to {}; choose another folder with --out", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "{} holds another run: {reason}\ngive another folder with --out, or --overwrite to replace what is there",
        path.display()
    )]
    Occupied { path: PathBuf, reason: String },
    #[error(
        "cannot resume in {}: {reason}\ngive the settings of the run that is there, or another folder with --out",
        path.display()
    )]
    Resume { path: PathBuf, reason: String },
    #[error(
        "{} is there already, and no run in this folder has left it; give another folder with --out, or --overwrite to replace it",
        path.display()
    )]
    Foreign { path: PathBuf },
    #[error(
        "{} holds test errors, which a run with --validation-only would replace; give another folder with --out, or --overwrite",
        path.display()
    )]
    Opened { path: PathBuf },
    #[error("{} is damaged: {reason}; remove it, and it is made again", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("{} holds no finished run; --merge takes folders that runs were given with --out", path.display())]
    NoRuns { path: PathBuf },
    #[error(
        "{count} of {of} runs are not finished, the first of them {first:?}; run its shard again, and name all folders after --merge"
    )]
    Missing {
        count: usize,
        of: usize,
        first: String,
    },
    #[error("stage {stage:?} failed")]
    Stage {
        stage: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{name} has {found} training images, too few to learn from and to validate with")]
    TooFew { name: String, found: usize },
    #[error(
        "the test images of {name} do not belong to its training images: {found}, where the training images have {expected}"
    )]
    OtherTest {
        name: String,
        found: Shape,
        expected: Shape,
    },
    #[error("cannot install the handler of Ctrl-C")]
    Interrupt(#[from] ctrlc::Error),
    #[error(transparent)]
    Threads(#[from] rayon::ThreadPoolBuildError),
    #[error("cannot write JSON")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Data(#[from] data::DataError),
    #[error(transparent)]
    Images(#[from] compress_nn::Error),
    #[error(transparent)]
    Core(#[from] compress_core::Error),
    #[error(transparent)]
    Report(#[from] report::ReportError),
    #[error(transparent)]
    Plot(#[from] compress_report::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl RunError {
    /// The measurement at the end failed.
    pub(crate) fn measure(source: Box<dyn std::error::Error + Send + Sync>) -> Self {
        RunError::Stage {
            stage: "measurement".into(),
            source,
        }
    }
}
