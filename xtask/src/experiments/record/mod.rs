//! The record: how small the file of a multi-layer perceptron with two hidden layers can become. An
//! ensemble of teachers, then for each seed a student that is pruned while it learns, quantized with
//! learned steps (LSQ), refined code by code, repaired and refined again, folded into whole numbers,
//! its neurons put into a shorter order, coded, decoded from its file and measured.
//!
//! Two tracks do that, and must not be compared with each other. `pixels` reads the pixels as they
//! are, and its file is coded as that of a square image. `pooled` has a fixed linear pooling in front,
//! which the decoder knows and which counts as a byte of the file. Two more tracks show one technique
//! alone, with the same teachers: `density` prunes and leaves the weights in full precision; `dense`
//! does not prune, and rounds.
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
mod lessons;
mod measure;
mod ordered;
mod results;
mod settings;
mod setup;
mod student;
mod summary;
mod sweep;
mod teacher_settings;
mod teachers;

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::data::Shape;
use crate::run::{Common, Input, Profile, Run, RunError, Spec, as_json};
use alone_settings::{DenseSettings, DensitySettings};
use lab::Student;
use settings::{Settings, Track};
use setup::Setup;

/// The smallest file: teachers, then students pruned, quantized and coded, several seeds of each
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    common: Common,
}

/// The flags of this experiment alone.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
struct Options {
    /// What the run is about [default: pixels]
    #[arg(long)]
    track: Option<Track>,
    /// Of the tracks pixels and pooled: the target, by its bytes [default: the first, of 2400 or
    /// 1250 bytes at 1.60 %]
    #[arg(long, value_name = "N")]
    target_bytes: Option<usize>,
    /// Of the track density: one level alone, 5, 2 or 1 percent of the weights [default: all]
    #[arg(long, value_name = "N", conflicts_with = "target_bytes")]
    target_percent: Option<usize>,
    /// Of the tracks pixels and pooled: the frontier, error against bytes over several prices of a
    /// bit; begins with seed 101 and never opens the test set
    #[arg(long, conflicts_with = "target_bytes")]
    sweep: bool,
    /// How many seeds, the first of which is --seed [default: 5; with --quick or --sweep 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    seeds: Option<u8>,
}

impl Options {
    /// As they were given, each with a space before it.
    fn flags(&self) -> String {
        let Options {
            track,
            target_bytes,
            target_percent,
            sweep,
            seeds,
        } = self;
        let track = track.map(|track| format!(" --track {}", track.name()));
        let bytes = target_bytes.map(|n| format!(" --target-bytes {n}"));
        let percent = target_percent.map(|n| format!(" --target-percent {n}"));
        let sweep = sweep.then(|| " --sweep".to_owned());
        let seeds = seeds.map(|n| format!(" --seeds {n}"));
        let all = [track, bytes, percent, sweep, seeds];
        all.into_iter().flatten().collect()
    }

    /// The folder of the report, by all that tells it from others: `settings` have the target.
    fn folder(&self, settings: &Value, seed: u64) -> String {
        let mut name = Track::of(self).name().to_owned();
        let target = match self.sweep {
            true => Value::Null,
            false => settings["all others"]["target"]["bytes"].clone(),
        };
        let percent = self.target_percent.map(|n| n.to_string());
        let target = target.as_u64().map(|n| n.to_string()).or(percent);
        for part in target
            .iter()
            .map(String::as_str)
            .chain(self.sweep.then_some("sweep"))
        {
            name += &format!("-{part}");
        }
        name += &format!("-seed{seed}");
        match self.seeds {
            Some(seeds) => format!("{name}-seeds{seeds}"),
            None => name,
        }
    }
}

/// Raise it where the same settings no longer give the same students, though of the same pruned
/// ones, so that nothing that an earlier version has left is taken up.
const RECIPE: u32 = 6;

/// The settings of a profile and the options in full, or why they are none.
fn settings(profile: Profile, options: &Options, shape: Shape) -> Result<Value, RunError> {
    let track = Track::of(options);
    check_options(track, options)?;
    let settings = match track {
        Track::Density => as_json(&DensitySettings::of(profile, options, shape)?)?,
        Track::Dense => as_json(&DenseSettings::of(profile, options, shape))?,
        Track::Pixels | Track::Pooled => as_json(&Settings::of(profile, options, shape)?)?,
    };
    let prices = options.sweep.then(|| sweep::penalties(profile, track));
    Ok(json!({
        "recipes": [RECIPE, student::RECIPE, teachers::RECIPE],
        "prices of a bit": as_json(&prices)?,
        "all others": settings,
    }))
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
pub(super) fn run(args: &Args) -> Result<(), RunError> {
    let (options, common) = (&args.options, &args.common);
    let input = Input::read(common)?;
    let first = if options.sweep { 101 } else { 1 };
    let settings = settings(common.profile(), options, input.shape())?;
    let spec = Spec {
        name: "record",
        seed: first,
        flags: options.flags(),
        folder: Some(options.folder(&settings, common.seed.unwrap_or(first))),
        settings,
        writes: |name| name == "record.md" || name.starts_with("frontier-") || is_file_name(name),
        shut: options.sweep,
        part: None,
    };
    let run = &Run::begin(common, input, spec)?;
    let (profile, shape) = (run.profile, run.shape());
    match Track::of(options) {
        Track::Pixels | Track::Pooled => {
            let settings = Settings::of(profile, options, shape)?;
            match options.sweep {
                true => sweep::run(run, &settings),
                false => smallest(run, &settings),
            }
        }
        Track::Density => density::run(run, &DensitySettings::of(profile, options, shape)?),
        Track::Dense => dense::run(run, &DenseSettings::of(profile, options, shape)),
    }
}

/// A finished student: its seed, what pruning left, and its file.
struct Finished {
    seed: u64,
    pruned: Student,
    quantized: Student,
}

/// Trains the teachers, then the students of all seeds, then measures.
fn smallest(run: &Run, settings: &Settings) -> Result<(), RunError> {
    let setup = Setup::new(run, settings.lessons(), settings.seeds)?;
    let seeds = &setup.seeds;
    let names = ["pruned", "quantized"].map(|stage| setup.names(stage));
    let [pruned, quantized] = setup.stages_from(
        &student::pruned_store(run, settings)?,
        &names,
        |i| i,
        |lab, i| student::pruned(lab, settings, seeds[i]),
        |lab, i, pruned| student::quantized(lab, settings, seeds[i], &pruned),
    )?;
    let finished = seeds.iter().zip(pruned.into_iter().zip(quantized));
    let finished: Vec<Finished> = finished
        .map(|(&seed, (pruned, quantized))| Finished {
            seed,
            pruned,
            quantized,
        })
        .collect();
    measure::report(run, settings, &setup.validation, &setup.teachers, &finished)
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
