//! The record: how small a file of a LeNet-300-100 can become. An ensemble of teachers, then for
//! each seed a student that is pruned while it learns, quantized with learned steps, folded into
//! whole numbers, coded, decoded from its file and measured.
//!
//! Two tracks, which must not be compared with each other: `pixels` reads the 784 pixels and
//! assumes nothing; `pooled` has a fixed linear pooling in front, which the decoder knows and
//! which counts as a byte of the file.
//!
//! With `--sweep` a frontier instead, error against bytes over several numbers of weights.
//!
//! No stage reads the test set; [`measure`] opens it once, after the last, and only for the seeds
//! that are reported, 1 to 5: settings are searched with others, which cannot open it, nor can
//! any with `--validation-only`, nor can a sweep.

mod measure;
mod settings;
mod student;
mod summary;
mod sweep;
mod teacher_settings;
mod teachers;

use crate::run::{Options, Profile, Run, RunError};
pub(crate) use settings::Track;

use std::ops::RangeInclusive;

use settings::Settings;
use student::{Lab, Student};

/// The settings of a profile and the options in full, or why they are none.
pub(super) fn settings(profile: Profile, options: &Options) -> Result<String, RunError> {
    let settings = Settings::of(profile, options)?;
    Ok(match options.sweep {
        true => format!(
            "{:?} of {settings:?}",
            sweep::weights(profile, settings.track)
        ),
        false => format!("{settings:?}"),
    })
}

/// A finished student: its seed, what pruning left, and its file.
struct Finished {
    seed: u64,
    pruned: Student,
    quantized: Student,
}

/// Trains the teachers, then the students of all seeds, then measures; or sweeps.
pub(super) fn run(run: &Run) -> Result<(), RunError> {
    let settings = Settings::of(run.profile, &run.options)?;
    let of_teachers = &settings.teachers;
    let (training, validation) = run.training_images(of_teachers.limit, of_teachers.validation)?;
    let teachers = teachers::teachers(run, of_teachers, &training, &validation)?;
    let seeds = (0..settings.seeds as u64).map(|i| run.seed.wrapping_add(i));
    let seeds: Vec<u64> = seeds.collect();
    if run.options.sweep {
        return sweep::run(run, &settings, &training, &validation, &teachers, &seeds);
    }
    let label = |stage: &str| {
        let named = seeds.iter().map(|seed| format!("{stage}, seed {seed}"));
        named.collect::<Vec<String>>()
    };
    let (prune, quantize) = (label("pruned"), label("quantized"));
    let done = run.finished(&quantize) && run.finished(&prune);
    let lab = match done {
        true => None,
        false => Some(Lab::new(run, &settings, &training, &validation, &teachers)?),
    };
    let weights = settings.target.weights;
    let lab = || lab.as_ref().ok_or("the samples are missing");
    let pruned = run.stages(&prune, |i| lab()?.pruned(seeds[i], weights))?;
    let quantized = run.stages(&quantize, |i| lab()?.quantized(seeds[i], &pruned[i]))?;
    let finished = seeds.into_iter().zip(pruned.into_iter().zip(quantized));
    let finished: Vec<Finished> = finished
        .map(|(seed, (pruned, quantized))| Finished {
            seed,
            pruned,
            quantized,
        })
        .collect();
    measure::report(run, &settings, &validation, &teachers, &finished)
}

/// The seeds that are reported.
const REPORTED: RangeInclusive<u64> = 1..=5;

/// What is behind the seed in the name of a picture of weights.
const PICTURE: &str = "-weights.svg";

/// Whether `name` is what [`file_name`] or [`picture_name`] gives for some track and seed.
fn is_file_name(name: &str) -> bool {
    [Track::Pixels, Track::Pooled].iter().any(|track| {
        let rest = name.strip_prefix(track.name());
        let rest = rest.and_then(|rest| rest.strip_prefix("-seed"));
        let seed = rest.and_then(|rest| {
            rest.strip_suffix(".cmp")
                .or_else(|| rest.strip_suffix(PICTURE))
        });
        seed.is_some_and(|seed| seed.parse::<u64>().is_ok())
    })
}

/// The picture of the weights of one seed.
fn picture_name(track: Track, seed: u64) -> String {
    format!("{}-seed{seed}{PICTURE}", track.name())
}

/// The file of one seed beside the report.
fn file_name(settings: &Settings, seed: u64) -> String {
    format!("{}-seed{seed}.cmp", settings.track.name())
}
