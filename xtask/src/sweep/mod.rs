//! Experiments of many runs that do not depend on one another, each named by what it is made of. A
//! part of them can run alone (`--shard I/N`), also on another machine; `--merge DIR…` makes the
//! report of the parts, to the same bytes as one run of all.
//!
//! No run opens the test set. It is opened once, when the report is made: by the run of all, or by
//! the merge.

mod images;
mod measured;
mod outcome;
mod page;
mod parts;
mod shard;

use serde_json::json;

use crate::run::{Common, Input, Run, RunError, Spec, folder_flag};

pub(crate) use images::{Lab, Lesson, Teaching};
pub(crate) use measured::Measured;
pub(crate) use outcome::{Model, Outcome, StageError};
pub(crate) use page::{Page, cells, counted, mean, mean_validation, named, percents, points};
pub(crate) use shard::Shard;

/// The flags of an experiment of many runs.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Do the I-th of N parts of the runs, write no report, and take up what is finished
    #[arg(long, value_name = "I/N", conflicts_with_all = ["merge", "resume", "overwrite"])]
    pub(crate) shard: Option<Shard>,
    /// Make the report of runs that are finished: of the folders that shards were given with --out
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with = "resume")]
    pub(crate) merge: Vec<std::path::PathBuf>,
    /// How many seeds, the first of which is --seed [default: 5; with --quick 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) seeds: Option<u8>,
}

impl SweepArgs {
    /// The seeds of all runs.
    pub(crate) fn seeds(&self) -> Vec<u64> {
        let first = self.common.seed.unwrap_or(1);
        let count = self.seeds.unwrap_or(if self.common.quick { 2 } else { 5 });
        (0..u64::from(count))
            .map(|i| first.wrapping_add(i))
            .collect()
    }

    /// The flag that says which part of the work to do.
    fn part(&self) -> Option<String> {
        match (self.shard, self.merge.as_slice()) {
            (Some(shard), _) => Some(format!(" --shard {shard}")),
            (None, []) => None,
            (None, folders) => {
                let folders = folders
                    .iter()
                    .map(|folder| folder_flag("merge", Some(folder)));
                Some(folders.collect())
            }
        }
    }

    /// Those of these flags that a report depends on, each with a space before it.
    fn flags(&self) -> String {
        self.seeds
            .map_or_else(String::new, |n| format!(" --seeds {n}"))
    }
}

/// An experiment of many runs.
pub(crate) trait Sweep: Sync {
    /// What a run is made of.
    type Case: Sync;

    /// Whether predictions of the models are timed when the report is made. Times go to
    /// `timing.json`.
    const TIMED: bool = false;

    /// All runs, in the order of the report. What differs by seed alone stands side by side, so that
    /// of as many shards as there are seeds each has one seed.
    fn cases(&self) -> Vec<Self::Case>;

    /// The run's name, which no other has.
    fn name(&self, case: &Self::Case) -> String;

    /// The run that this one goes on from, such as its teacher.
    fn needs(&self, case: &Self::Case) -> Option<Self::Case> {
        let _ = case;
        None
    }

    /// Does the run, given the outcome of the one that it needs.
    fn run(&self, case: &Self::Case, needed: Option<Outcome>) -> Result<Outcome, StageError>;

    /// What the runs show, given what was measured on the models of each.
    fn page(&self, results: &[(Self::Case, Vec<Measured>)]) -> Result<Page, RunError>;
}

/// What tells one experiment of many runs from another.
pub(crate) struct About {
    /// Its name.
    pub(crate) name: &'static str,
    /// Raise it where the same settings no longer give the same models.
    pub(crate) recipe: u32,
    /// All that it is set to.
    pub(crate) settings: serde_json::Value,
}

/// Does the runs that were asked for and, unless they are a part, the report.
pub(crate) fn run<S: Sweep>(
    args: &SweepArgs,
    about: About,
    make: impl FnOnce(Lab) -> Result<S, RunError>,
) -> Result<(), RunError> {
    let input = Input::read(&args.common)?;
    let seeds = args.seeds();
    let run = &Run::begin(
        &args.common,
        input,
        Spec {
            name: about.name,
            seed: 1,
            settings: json!({
                "recipe": about.recipe,
                "seeds": seeds.len(),
                "all others": about.settings,
            }),
            flags: args.flags(),
            folder: args.shard.map(|shard| shard.folder()),
            writes: |_| false,
            shut: args.shard.is_some(),
            part: args.part(),
        },
    )?;
    let sweep = make(Lab::new(run, seeds)?)?;
    match (args.shard, args.merge.as_slice()) {
        (Some(shard), _) => parts::run_shard(run, &sweep, shard),
        (None, []) => {
            parts::run_all(run, &sweep)?;
            parts::report(run, &sweep, &[&run.store])
        }
        (None, folders) => {
            let stores = parts::stores(run, folders)?;
            let stores: Vec<_> = stores.iter().collect();
            parts::report(run, &sweep, &stores)
        }
    }
}
