//! The record: how small a file of a LeNet-300-100 can become. An ensemble of teachers, then for
//! each seed a student that is pruned while it learns, quantized with learned steps, refined code
//! by code, repaired and refined again, folded into whole numbers, its neurons put into a shorter
//! order, coded, decoded from its file and measured.
//!
//! Two tracks for that, which must not be compared with each other: `pixels` reads the 784 pixels
//! and assumes nothing; `pooled` has a fixed linear pooling in front, which the decoder knows and
//! which counts as a byte of the file. Two more show one technique alone, with the same teachers:
//! `density` prunes and leaves the weights in full precision; `dense` does not prune, and rounds.
//!
//! With `--sweep` a frontier instead, error against bytes over several prices of a bit.
//!
//! No stage reads the test set; [`measure`] opens it once, after the last, and only for the seeds
//! that are reported, 1 to 5 and in full no fewer: settings are searched with others, which cannot
//! open it, nor can any with `--validation-only`, nor can a sweep.

mod alone;
mod alone_settings;
mod dense;
mod density;
mod lab;
mod measure;
mod ordered;
mod settings;
mod setup;
mod student;
mod summary;
mod sweep;
mod teacher_settings;
mod teachers;

use crate::run::{Options, Profile, Run, RunError};
pub(crate) use settings::Track;

use std::ops::RangeInclusive;

use alone_settings::{DenseSettings, DensitySettings};
use lab::Student;
use settings::Settings;
use setup::Setup;

/// Raise it where the same settings no longer give the same students, though of the same pruned
/// ones, so that nothing that an earlier version has left is taken up.
const RECIPE: u32 = 6;

/// The settings of a profile and the options in full, or why they are none.
pub(super) fn settings(profile: Profile, options: &Options) -> Result<String, RunError> {
    let track = Track::of(options);
    check_options(track, options)?;
    let settings = match track {
        Track::Density => format!("{:?}", DensitySettings::of(profile, options)?),
        Track::Dense => format!("{:?}", DenseSettings::of(profile, options)),
        Track::Pixels | Track::Pooled => {
            let settings = Settings::of(profile, options)?;
            let penalties = sweep::penalties(profile, track);
            match options.sweep {
                true => format!("{penalties:?} of {settings:?}"),
                false => format!("{settings:?}"),
            }
        }
    };
    let (pruned, teachers) = (student::RECIPE, teachers::RECIPE);
    Ok(format!(
        "recipe {RECIPE}, of pruned students {pruned}, of teachers {teachers}, {settings}"
    ))
}

/// Fails at an option that is another track's.
fn check_options(track: Track, options: &Options) -> Result<(), RunError> {
    let (bytes, percent) = (options.target_bytes, options.target_percent);
    let smallest: &[Track] = &[Track::Pixels, Track::Pooled];
    for (option, given, takers) in [
        ("--sweep", options.sweep, smallest),
        ("--target-bytes", bytes.is_some(), smallest),
        ("--target-percent", percent.is_some(), &[Track::Density]),
    ] {
        if given && !takers.contains(&track) {
            let takers = takers.iter().map(|t| format!("--track {}", t.name()));
            return Err(RunError::NotOfTrack {
                track: track.name(),
                option,
                takers: takers.collect::<Vec<_>>().join(" or "),
            });
        }
    }
    Ok(())
}

/// Runs the track that the options name.
pub(super) fn run(run: &Run) -> Result<(), RunError> {
    match Track::of(&run.options) {
        Track::Pixels | Track::Pooled if run.options.sweep => sweep::run(run),
        Track::Pixels | Track::Pooled => smallest(run),
        Track::Density => density::run(run),
        Track::Dense => dense::run(run),
    }
}

/// A finished student: its seed, what pruning left, and its file.
struct Finished {
    seed: u64,
    pruned: Student,
    quantized: Student,
}

/// Trains the teachers, then the students of all seeds, then measures.
fn smallest(run: &Run) -> Result<(), RunError> {
    let settings = Settings::of(run.profile, &run.options)?;
    let setup = Setup::new(run, settings.lessons(), settings.seeds)?;
    let seeds = &setup.seeds;
    let names = ["pruned", "quantized"].map(|stage| setup.names(stage));
    let [pruned, quantized] = setup.stages_from(
        &student::pruned_store(run, &settings)?,
        &names,
        |i| i,
        |lab, i| student::pruned(lab, &settings, seeds[i]),
        |lab, i, pruned| student::quantized(lab, &settings, seeds[i], &pruned),
    )?;
    let finished = seeds.iter().zip(pruned.into_iter().zip(quantized));
    let finished: Vec<Finished> = finished
        .map(|(&seed, (pruned, quantized))| Finished {
            seed,
            pruned,
            quantized,
        })
        .collect();
    measure::report(
        run,
        &settings,
        &setup.validation,
        &setup.teachers,
        &finished,
    )
}

/// The seeds that are reported.
const REPORTED: RangeInclusive<u64> = 1..=5;

/// What is behind the seed in the name of a picture of weights.
const PICTURE: &str = "-weights.svg";

/// Whether `name` is what [`file_name`] or [`picture_name`] gives for some track, variant and
/// seed.
fn is_file_name(name: &str) -> bool {
    let stem = name.strip_suffix(".cmp");
    let stem = stem.or_else(|| name.strip_suffix(PICTURE));
    stem.and_then(|stem| stem.rsplit_once("-seed"))
        .is_some_and(|(kind, seed)| {
            let mut tracks = Track::all()
                .iter()
                .filter_map(|t| kind.strip_prefix(t.name()));
            seed.parse::<u64>().is_ok() && tracks.any(|v| v.is_empty() || v.starts_with('-'))
        })
}

/// The picture of the weights of one seed.
fn picture_name(track: Track, seed: u64) -> String {
    format!("{}-seed{seed}{PICTURE}", track.name())
}

/// The file of one seed beside the report; `variant` where a track makes several of each.
fn file_name(track: Track, variant: Option<&str>, seed: u64) -> String {
    let variant = variant.map_or_else(String::new, |variant| format!("-{variant}"));
    format!("{}{variant}-seed{seed}.cmp", track.name())
}
