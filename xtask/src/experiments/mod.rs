//! The experiments, one file or folder each, and their registry.

mod decoded; // tidy: allow(no experiment, but what they share)
mod network; // tidy: allow(no experiment, but what they share)
mod pipeline;
mod rate; // tidy: allow(no experiment, but what they share)
mod record;

pub(crate) use record::Track;

use crate::run::{Options, Profile, Run, RunError};

/// Something that `cargo xtask experiment NAME` runs.
pub(crate) struct Experiment {
    /// Its name on the command line, the file's stem.
    pub(crate) name: &'static str,
    /// What it does, in a line.
    pub(crate) about: &'static str,
    /// What it is set to, in full: stages of a run with other settings are not taken up again.
    pub(crate) settings: fn(Profile, &Options) -> Result<String, RunError>,
    /// Does it.
    pub(crate) run: fn(&Run) -> Result<(), RunError>,
}

/// All experiments; the first is what runs when none is named.
pub(crate) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "pipeline",
        about: "teacher -> distilled student -> pruned -> quantized -> .cmp file, and each technique alone",
        settings: pipeline::settings,
        run: pipeline::run,
    },
    Experiment {
        name: "record",
        about: "the smallest file of a LeNet-300-100: teachers, then for each seed pruned -> quantized -> coded",
        settings: record::settings,
        run: record::run,
    },
];

/// The experiment of this name.
pub(crate) fn find(name: &str) -> Result<&'static Experiment, RunError> {
    EXPERIMENTS
        .iter()
        .find(|e| e.name == name)
        .ok_or_else(|| RunError::UnknownExperiment {
            name: name.to_owned(),
            known: EXPERIMENTS
                .iter()
                .map(|e| e.name)
                .collect::<Vec<_>>()
                .join(", "),
        })
}
